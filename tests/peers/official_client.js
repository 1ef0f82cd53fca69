'use strict';

// The official client, as a program of its users has it.
//
//   stdout  {address}                                                         once it is ready
//   stdin   {id, method, args}
//   stdout  {id, result} or {id, error: {message, code, name}}
//
// The methods are those of dcp/compute-groups, and two more:
//
//   request(operation, data, keys, guardian)   any request, over a connection of its own; `keys` are
//                                              the private keys that authorize it (join by address)
//                                              to the guardian, or else to the service
//   load(method, args, calls, atOnce)          so many calls, so many of them at once; times in ms

const { parseArgs } = require('node:util');
const { read, said, write } = require('./lines');

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    transport: { type: 'string', multiple: true },
  },
});

async function main() {
  await require('dcp-client').init({ parseArgv: false });
  const computeGroups = require('dcp/compute-groups');
  const wallet = require('dcp/wallet');
  const { DcpURL } = require('dcp/dcp-url');
  const { Connection } = require('dcp/protocol');

  const identity = await new wallet.Keystore(process.env.PEER_PRIVATE_KEY, '');
  wallet.addId(identity);
  const service = { location: new DcpURL(options.url) };
  dcpConfig.scheduler.services = { computeGroups: service };
  if (options.transport) {
    dcpConfig.dcp.connectionOptions.default.socketio = { transports: options.transport };
  }

  let connection;

  async function request(operation, data, keys = [], guardian = null) {
    connection ??= new Connection(service, { identity });
    const message = new connection.Request({ operation, data });
    const believer = guardian ? new wallet.Address(guardian) : undefined;
    for (const key of keys) await message.authorize(await new wallet.Keystore(key, ''), believer);
    const { success, payload } = await message.send();
    return { success, payload };
  }

  async function load(method, args, calls, atOnce) {
    const times = [];
    let begun = 0;
    async function callInTurn() {
      while (begun < calls) {
        begun += 1;
        const start = performance.now();
        await call(method, args);
        times.push(performance.now() - start);
      }
    }
    const start = performance.now();
    await Promise.all(Array.from({ length: atOnce }, callInTurn));
    const seconds = (performance.now() - start) / 1000;
    times.sort((one, other) => one - other);
    const quantile = (part) => times[Math.min(times.length - 1, Math.floor(part * times.length))];
    return { median: quantile(0.5), p99: quantile(0.99), callsPerSecond: calls / seconds };
  }

  // Refusals come by three routes: returned, returned within a payload, thrown. Here: thrown.
  async function call(method, args) {
    const own = { request, load }[method];
    if (own) return own(...args);
    const result = await computeGroups[method](...args);
    if (result?.error instanceof Error) throw result.error;
    return result;
  }

  read(async ({ id, method, args }) => {
    try {
      write({ id, result: await call(method, args) });
    } catch (error) {
      write({ id, error: said(error) });
    }
  });
  write({ address: String(identity.address) });
}

main();

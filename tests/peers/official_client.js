'use strict';

// The official client, as a program of its users has it.
//
//   stdout  {address}                                                         once it is ready
//   stdin   {id, method, args}
//   stdout  {id, result} or {id, error: {message, code, name, returned}}
//
// The service is at --url, or where the scheduler at --scheduler says, or where it is moved to. The
// methods are those of dcp/compute-groups, and more:
//
//   exported()                                 the names of the functions of dcp/compute-groups
//   session()                                  the id of the session that those use
//   closeSession()                             closes it, until the service has hung up
//   moveTo(url)                                has them call another service
//   request(operation, data, keys, guardian)   any request, over a connection of its own; `keys` are
//                                              the private keys that authorize it (join by address)
//                                              to the guardian, or else to the service
//   load(method, args, calls, atOnce)          so many calls, so many of them at once; times in ms

const { parseArgs } = require('node:util');
const { read, said, write } = require('./lines');

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    scheduler: { type: 'string' },
    transport: { type: 'string', multiple: true },
  },
});

async function main() {
  if (options.scheduler) {
    delete process.env.DCP_CONFIG_LOCATION;
    process.env.DCP_SCHEDULER_LOCATION = options.scheduler;
  }
  // What goes wrong in it is thrown: on stdout are our answers.
  await require('dcp-client').init({ parseArgv: false, reportErrors: false });
  const computeGroups = require('dcp/compute-groups');
  const wallet = require('dcp/wallet');
  const { DcpURL } = require('dcp/dcp-url');
  const { Connection } = require('dcp/protocol');

  const identity = await new wallet.Keystore(process.env.PEER_PRIVATE_KEY, '');
  wallet.addId(identity);
  if (options.transport) {
    dcpConfig.dcp.connectionOptions.default.socketio = { transports: options.transport };
  }

  let connection; // that of `request`

  function moveTo(url) {
    dcpConfig.scheduler.services = { computeGroups: { location: new DcpURL(url) } };
    connection = undefined;
  }
  if (options.url) moveTo(options.url);

  const exported = () => Object.keys(computeGroups);

  const session = () => computeGroups.serviceConnection.dcpsid;

  // Over when the service hangs up. The goodbye for which dcp-client waits 7 seconds rarely comes.
  function closeSession() {
    const closing = computeGroups.serviceConnection;
    closing.options.closeTimeout = 1;
    return new Promise((resolve) => {
      closing.on('disconnect', () => resolve());
      closing.on('close', () => resolve());
      closing.close();
    });
  }

  // Its result is a response, which holds all that it belongs to; undefined if it failed.
  async function keepAlive() {
    const response = await computeGroups.keepAlive();
    return response && { success: response.success, payload: response.payload };
  }

  async function request(operation, data, keys = [], guardian = null) {
    connection ??= new Connection(dcpConfig.scheduler.services.computeGroups, { identity });
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

  const own = { exported, session, closeSession, moveTo, keepAlive, request, load };

  // Failures come by three routes: thrown, returned, returned within a payload. The first two are
  // thrown here.
  async function call(method, args) {
    if (method in own) return own[method](...args);
    const result = await computeGroups[method](...args);
    if (result?.error instanceof Error) throw Object.assign(result.error, { returned: true });
    return result;
  }

  read(async ({ id, method, args }) => {
    try {
      write({ id, result: await call(method, args) });
    } catch (error) {
      write({ id, error: { ...said(error), returned: error.returned } });
    }
  });
  write({ address: String(identity.address) });
}

main();

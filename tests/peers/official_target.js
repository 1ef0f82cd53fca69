'use strict';

// The official Target, without rules of its own: it passes each request on and waits for the answer,
// or gives each the same one (--fixed, JSON).
//
//   stdout  {url, address}                                                    once it listens
//           {id, operation, data, sessionId, caller, joinsAs}                 a request
//   stdin   {id, payload} or {id, error: {message, code, name}}               its answer

const { parseArgs } = require('node:util');
const { read, said, write } = require('./lines');

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    fixed: { type: 'string' },
    // As published it answers 404 to each poll that has to wait, and dies of it.
    'keep-404-away': { type: 'boolean', default: false },
  },
});

const open = new Map(); // the requests that wait for their answers, by our number
let count = 0;

// The addresses that the official code takes the request to be authorized for.
function joinsAs(request) {
  const resources = (request.payload.allow ?? []).map(({ resource }) => resource);
  return resources.filter((resource) => {
    try {
      return request.doesAuthorize(resource);
    } catch {
      return false; // it throws at what is no address, and at what is no signature
    }
  });
}

function pass(request) {
  count += 1;
  open.set(count, request);
  write({
    id: count,
    operation: request.payload.operation,
    data: request.payload.data,
    sessionId: request.connection.dcpsid,
    caller: String(request.connection.peerAddress),
    joinsAs: joinsAs(request),
  });
}

function answerAtOnce(request) {
  respond(request, JSON.parse(options.fixed));
}

function answer({ id, payload, error }) {
  const request = open.get(id);
  open.delete(id);
  respond(request, error ? Object.assign(new Error(error.message), error) : payload);
}

function respond(request, outcome) {
  // The session may have ended meanwhile; then the answer goes nowhere.
  request.respond(outcome).catch((failure) => console.error('no answer:', said(failure)));
}

function keep404Away(target, location) {
  const bind = target.bindServer;
  target.bindServer = (server) => {
    bind.call(target, server);
    const notFound = server.listeners('request').at(-1);
    server.off('request', notFound);
    server.on('request', (request, response) => {
      if (!request.url.startsWith(`${location.pathname}dcp5/socketio/`)) notFound(request, response);
    });
  };
}

async function main() {
  await require('dcp-client').init({ parseArgv: false });
  const { Keystore } = require('dcp/wallet');
  const { DcpURL } = require('dcp/dcp-url');
  const { Target } = require('dcp/protocol');

  const identity = await new Keystore(process.env.PEER_PRIVATE_KEY, '');
  const location = new DcpURL(`http://127.0.0.1:${options.port}/cg/`);
  const listen = new URL(location.href); // a DcpURL's port 0 would be taken for port 80
  const target = new Target(['socketio'], { identity, location, listen });
  if (options['keep-404-away']) keep404Away(target, location);
  target.on('connection', (connection) => connection.on('request', options.fixed ? answerAtOnce : pass));
  target.on('error', (error) => {
    console.error(error);
    if (!target.httpServer?.listening) process.exit(1); // the port is taken
  });
  target.on('listening', () => {
    location.port = target.httpServer.address().port;
    write({ url: location.href, address: String(identity.address) });
  });
  read(answer);
}

main();

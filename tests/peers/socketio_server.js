'use strict';

// A Socket.IO server that knows nothing of DCP, at the place and with the options of the official
// Target. It passes on the strings of the event `message`.
//
//   stdout  {url}                                                             once it listens
//           {socket, open: true} or {socket, text} or {socket, closed: true}
//   stdin   {socket, text} or {socket, close: true}

const { createServer } = require('node:http');
const { parseArgs } = require('node:util');
const { Server } = require('socket.io');
const { read, write } = require('./lines');

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    transport: { type: 'string', multiple: true, default: ['polling', 'websocket'] },
    'ping-interval': { type: 'string', default: '10100' }, // ms
    'ping-timeout': { type: 'string', default: '60010' }, // ms
  },
});

const http = createServer();
const server = new Server(http, {
  path: '/dcp5/socketio/',
  transports: options.transport,
  pingInterval: Number(options['ping-interval']),
  pingTimeout: Number(options['ping-timeout']),
  maxHttpBufferSize: 1e9,
  perMessageDeflate: false,
  httpCompression: false,
  cors: { origin: '*', methods: ['GET', 'POST'] },
});
const sockets = new Map();

server.on('connection', (socket) => {
  sockets.set(socket.id, socket);
  write({ socket: socket.id, open: true });
  socket.on('message', (text) => {
    if (typeof text === 'string') write({ socket: socket.id, text });
  });
  socket.on('disconnect', () => {
    sockets.delete(socket.id);
    write({ socket: socket.id, closed: true });
  });
});

read(({ socket: id, text, close }) => {
  const socket = sockets.get(id); // undefined once it has closed
  if (close) socket?.disconnect(true);
  else socket?.emit('message', text);
});

http.listen(Number(options.port), '127.0.0.1', () => {
  write({ url: `http://127.0.0.1:${http.address().port}/` });
});

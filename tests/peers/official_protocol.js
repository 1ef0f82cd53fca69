'use strict';

// The official client's protocol, in the hands of somebody who means ill.
//
//   stdout  {}                                                                once it is ready
//   stdin   {id, method, args}
//   stdout  {id, result} or {id, error: {message, code, name}}
//
// The methods:
//
//   moveTo(url)                         where the service is
//   open(name, key)                     a session of a key, under a name of the test's; gives its id
//   session(name)                       its id, if it is there still
//   request(name, operation, data, validity)
//                                       a request; its validity gets other members, or is another
//   sent(name)                          the sealed texts that have gone over its connection, in order
//   say(name, text)                     sends a text over its connection
//   seal(key, body)                     the sealed text of any body
//   intrude(texts)                      sends texts over a transport of their own, and then nonsense,
//                                       for which the service drops it; gives the texts that came
//   stay(texts)                         the same without the nonsense, until the first text has come;
//                                       gives a number, by which
//   leave(number)                       sends the nonsense, and gives the texts that came

const { io } = require('socket.io-client');
const { read, said, write } = require('./lines');

async function main() {
  await require('dcp-client').init({ parseArgv: false });
  const { Keystore } = require('dcp/wallet');
  const { DcpURL } = require('dcp/dcp-url');
  const { Connection } = require('dcp/protocol');

  let location;
  const intruders = [];
  const connections = new Map(); // by name
  const texts = new Map(); // by connection

  const { transmit } = Connection.prototype;
  Connection.prototype.transmit = function transmitAndKeep(text) {
    texts.get(this).push(text);
    transmit.call(this, text);
  };

  function moveTo(url) {
    location = new DcpURL(url);
  }

  async function open(name, key) {
    const connection = new Connection({ location }, { identity: await new Keystore(key, '') });
    texts.set(connection, []);
    connections.set(name, connection);
    await connection.keepalive();
    return connection.dcpsid;
  }

  async function request(name, operation, data, validity) {
    const connection = connections.get(name);
    const message = new connection.Request({ operation, data });
    const isPart = Object.prototype.toString.call(validity) === '[object Object]';
    message.payload.validity = isPart ? { ...message.payload.validity, ...validity } : validity;
    const { success, payload } = await message.send();
    return { success, payload };
  }

  const session = (name) => connections.get(name).dcpsid;

  const sent = (name) => texts.get(connections.get(name));

  const say = (name, text) => connections.get(name).transmit(text);

  async function seal(key, body) {
    return (await new Keystore(key, '')).makeSignedMessage(body);
  }

  function intruder(theirs) {
    const path = `${location.pathname}dcp5/socketio`;
    const socket = io(location.origin, { path, transports: ['websocket'], forceNew: true });
    const heard = [];
    socket.on('message', (text) => {
      if (text.startsWith('{')) heard.push(text);
    });
    for (const text of theirs) socket.emit('message', text);
    return { socket, heard };
  }

  function dropped({ socket, heard }) {
    socket.emit('message', '{nonsense');
    return new Promise((resolve) => {
      socket.on('disconnect', () => {
        socket.close();
        resolve(heard);
      });
    });
  }

  const intrude = (theirs) => dropped(intruder(theirs));

  function stay(theirs) {
    const staying = intruder(theirs);
    intruders.push(staying);
    return new Promise((resolve) => {
      staying.socket.on('message', () => {
        if (staying.heard.length === 1) resolve(intruders.length - 1);
      });
    });
  }

  const leave = (number) => dropped(intruders[number]);

  const methods = { moveTo, open, session, request, sent, say, seal, intrude, stay, leave };
  read(async ({ id, method, args }) => {
    try {
      write({ id, result: await methods[method](...args) });
    } catch (error) {
      write({ id, error: said(error) });
    }
  });
  write({});
}

main();

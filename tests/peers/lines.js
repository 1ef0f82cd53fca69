'use strict';

// What all peers share: JSON lines on stdin and stdout, and an end when stdin ends, so that no peer
// outlives the tests.

const readline = require('node:readline');

exports.write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

exports.read = (handle) => {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => handle(JSON.parse(line)));
  lines.on('close', () => process.exit(0));
};

// What an error says: its own members may hide the message, which JSON would leave out.
exports.said = ({ message, code, name }) => ({ message, code, name });

// An SMSC for tests, upon npm `smpp` (node-smpp): every octet that it reads or
// writes goes through a codec that is not ours.
//
//   node node_smsc.js '{"system_id": "esme", "password": "secret"}'
//
// It does what the lines on stdin say, one JSON object each (`orders` below), and
// tells what it sees on stdout, one JSON object per line, `event` first of all:
// listening, connected, closed, pdu (something came), sent, broken, and done (an
// order, by its number).
// Loopback only; it ends when stdin does.
'use strict';
const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const account = Object.assign({
  system_id: 'esme', password: 'secret', version: 0x34, transceiver: true,
  ids: 10, key: null, cert: null,
}, JSON.parse(process.argv[2] || '{}'));

const status = smpp.errors;
const sessions = new Map();
// what is answered otherwise than usual: command -> list of how, first served
const plans = new Map();
const heldBack = [];
let lastSession = 0;
let lastId = 1000;

function readable(value) {
  if (Buffer.isBuffer(value)) return { hex: value.toString('hex') };
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(readable);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, readable(v)]));
}

function tell(event, facts) {
  process.stdout.write(JSON.stringify({ event, ...facts }) + '\n');
}

// node-smpp forgets the octets that it has read; the tests want to see both
const parse = smpp.PDU.prototype.fromBuffer;
smpp.PDU.prototype.fromBuffer = function remembering(octets) {
  Object.defineProperty(this, 'octets', { value: octets });
  return parse.call(this, octets);
};

// -- what comes

function admit(bind, session) {
  if (session.bound) return status.ESME_RALYBND;
  if (bind.command === 'bind_transceiver' && !account.transceiver) return status.ESME_RINVCMDID;
  if (bind.system_id !== account.system_id) return status.ESME_RINVSYSID;
  if (bind.password !== account.password) return status.ESME_RINVPASWD;
  return 0;
}

function usualAnswer(pdu, session, how) {
  if (how.status) return { command_status: how.status };
  switch (pdu.command) {
    case 'bind_transceiver': case 'bind_transmitter': case 'bind_receiver': {
      const refusal = admit(pdu, session);
      if (refusal) return { command_status: refusal };
      session.bound = pdu.command.slice('bind_'.length);
      const version = account.version ? { sc_interface_version: account.version } : {};
      return { system_id: 'NODE', ...version };
    }
    case 'submit_sm': case 'data_sm': {
      if (!/^trans/.test(session.bound)) return { command_status: status.ESME_RINVBNDSTS };
      lastId += 1;
      return { message_id: how.message_id !== undefined ? how.message_id : lastId.toString(account.ids) };
    }
    case 'query_sm':
      return { message_id: pdu.message_id, final_date: '', message_state: how.state || 2, error_code: 0 };
    default:
      return {};
  }
}

function respond(session, pdu) {
  const how = (plans.get(pdu.command) || []).shift() || {};
  const answer = pdu.response(usualAnswer(pdu, session, how));
  const write = () => {
    if (how.drop) session.link.destroy();
    else if (!how.silent) session.link.send(answer);
  };
  if (how.early) deliver(session, { ...how.early, reply: undefined });
  if (how.hold) heldBack.push(write);
  else write();
  if (pdu.command === 'unbind') session.link.close();
}

function greet(link) {
  lastSession += 1;
  const session = { link, number: lastSession, bound: '' };
  sessions.set(session.number, session);
  tell('connected', { session: session.number });
  link.on('pdu', (pdu) => {
    tell('pdu', {
      session: session.number, command: pdu.command, status: pdu.command_status,
      sequence: pdu.sequence_number, hex: pdu.octets.toString('hex'), read: readable({ ...pdu }),
    });
    if (!pdu.isResponse()) respond(session, pdu);
  });
  link.on('error', (error) => {
    tell('broken', { session: session.number, why: error.message });
    link.destroy();
  });
  link.on('close', () => {
    sessions.delete(session.number);
    tell('closed', { session: session.number });
  });
}

// -- what is ordered

function whom(order) {
  if (order.session) return sessions.get(order.session);
  const kinds = order.receives ? ['receiver', 'transceiver'] : ['receiver', 'transmitter', 'transceiver', ''];
  return [...sessions.values()].reverse().find((one) => kinds.includes(one.bound));
}

function request(session, command, fields) {
  const pdu = new smpp.PDU(command, fields);
  session.link.send(pdu);
  tell('sent', { session: session.number, command, sequence: pdu.sequence_number });
}

function octetsIn(fields) {
  return Object.fromEntries(Object.entries(fields).map(
    ([name, value]) => [name, value && value.hex !== undefined ? Buffer.from(value.hex, 'hex') : value]));
}

// fields as node-smpp names them; {"hex": "..."} stands for octets; `text` (and
// `udh`, in hex) is for node-smpp to encode
function deliver(session, order) {
  const fields = { source_addr_ton: 1, source_addr_npi: 1, ...octetsIn(order.fields || {}) };
  if (order.text !== undefined) {
    fields.short_message = { message: order.text };
    if (order.udh !== undefined) fields.short_message.udh = Buffer.from(order.udh, 'hex');
  }
  request(session, order.command || 'deliver_sm', fields);
}

const orders = {
  // answer the next `times` of `command` as `how` says: status, message_id,
  // silent, drop (the connection), hold (until `release`), early (a delivery first)
  plan({ command, how, times = 1 }) {
    const list = plans.get(command) || [];
    for (let i = 0; i < times; i += 1) list.push(how);
    plans.set(command, list);
  },
  release({ reversed }) {
    const writes = heldBack.splice(0);
    if (reversed) writes.reverse();
    for (const write of writes) write();
  },
  deliver(order) { deliver(whom({ receives: true, ...order }), order); },
  request(order) { request(whom(order), order.command, octetsIn(order.fields || {})); },
  end(order) { whom(order).link.close(); },
  reset(order) { whom(order).link.socket.resetAndDestroy(); },
  raw(order) { whom(order).link.socket.write(Buffer.from(order.hex, 'hex')); },
  outbind({ port, password }) {
    const link = smpp.connect({ host: '127.0.0.1', port }, () => {
      greet(link);
      link.outbind({ system_id: 'NODE', password });
    });
  },
  nothing() {},
  deaf() { server.close(); },
  hear() { listen(server.lastPort); },
};

const server = smpp.createServer(account.key ? {
  key: fs.readFileSync(account.key), cert: fs.readFileSync(account.cert),
} : {}, greet);

function listen(port) {
  server.listen(port, '127.0.0.1', () => {
    server.lastPort = server.address().port;
    tell('listening', { port: server.lastPort });
  });
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  orders[order.do](order);
  tell('done', { order: order.order });
}).on('close', () => process.exit(0));
listen(0);

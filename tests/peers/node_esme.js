// A client of an SMSC for tests, upon node-smpp (npm smpp): binds again whenever the
// connection is gone.  As the other peers it obeys JSON lines on stdin and tells JSON
// lines on stdout; it ends when stdin does.  node node_esme.js PORT SYSTEM_ID PASSWORD
'use strict';
const smpp = require('smpp');
const readline = require('readline');

const [port, systemId, password] = process.argv.slice(2);
const AGAIN_MS = 100;
let session = null;
let bound = false;

function announce(event, facts) {
  process.stdout.write(JSON.stringify({event, ...facts}) + '\n');
}

function connect() {
  const mine = smpp.connect({
    url: `smpp://127.0.0.1:${port}`,
    auto_enquire_link_period: 10000,
  }, () => {
    mine.bind_transceiver({system_id: systemId, password}, (answer) => {
      bound = answer.command_status === 0;
      announce('bound', {status: answer.command_status});
    });
  });
  session = mine;
  mine.on('deliver_sm', (pdu) => {
    const text = pdu.short_message.message;
    mine.send(pdu.response());
    announce(pdu.esm_class & 0x04 ? 'receipt' : 'inbound', {
      id: pdu.receipted_message_id,
      text: Buffer.isBuffer(text) ? text.toString('hex') : text,
      from: pdu.source_addr,
      to: pdu.destination_addr,
    });
  });
  mine.on('unbind', (pdu) => { mine.send(pdu.response()); mine.close(); });
  mine.on('error', () => {});
  mine.on('close', () => {
    bound = false;
    setTimeout(connect, AGAIN_MS);
  });
}

const orders = {
  nothing() {},
  send({first, count}) {
    for (let number = first; number < first + count; number += 1) {
      if (!bound) break;
      const word = `w${number}`;
      session.submit_sm({
        source_addr_ton: 5,
        source_addr: 'GdeMoi',
        dest_addr_ton: 1,
        dest_addr_npi: 1,
        destination_addr: `7916${String(number).padStart(7, '0')}`,
        registered_delivery: 1,
        short_message: word,
      }, (answer) => {
        announce('answer', {word, status: answer.command_status, id: answer.message_id});
      });
    }
  },
};

announce('listening', {port: Number(port)});
connect();
const lines = readline.createInterface({input: process.stdin});
lines.on('line', (line) => {
  const order = JSON.parse(line);
  orders[order.do](order);
  announce('done', {order: order.order});
});
lines.on('close', () => process.exit(0));

// The npm package asterisk-ami-test-server, led by lines on stdin (JSON):
// {"broadcast": text} sends text to all who are logged in.
"use strict";
const AmiTestServer = require("asterisk-ami-test-server");
const readline = require("readline");

const server = new AmiTestServer({
  silent: true,
  authTimeout: Number(process.argv[2]),
  credentials: { username: "apiuser", secret: "apipass" },
});
server.listen(0).then(() => {
  console.log(server._server.address().port);
});
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  server.broadcast(JSON.parse(line).broadcast);
});
process.stdin.on("end", () => process.exit(0));

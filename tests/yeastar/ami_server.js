// The npm package asterisk-ami-test-server, led by lines on stdin (JSON, each
// answered by {"event": "done"}): {"do": "broadcast", "text": text} sends text to all
// who are logged in.  It tells of each ping: {"event": "ping"}.
"use strict";
const AmiTestServer = require("asterisk-ami-test-server");
const readline = require("readline");

const tell = (event, facts) => console.log(JSON.stringify({ event, ...facts }));
const server = new AmiTestServer({
  silent: true,
  authTimeout: Number(process.argv[2]),
  credentials: { username: "apiuser", secret: "apipass" },
});
server.listen(0).then(() => {
  // after the server's own listener, which makes the stream of actions
  server._server.on("connection", (socket) => {
    socket._eventStream.on("amiAction", (action) => {
      if (action.Action.toLowerCase() === "ping") tell("ping");
    });
  });
  tell("listening", { port: server._server.address().port });
});
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  if (order.do === "broadcast") server.broadcast(order.text);
  tell("done", { order: order.order });
});
process.stdin.on("end", () => process.exit(0));

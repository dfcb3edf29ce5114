// Verifies a webhook by the npm library of Standard Webhooks: {secret, headers, body} on
// the input; prints the event's id, or why it is not to be believed.
const { Webhook } = require("standardwebhooks");

let input = "";
process.stdin.on("data", (data) => (input += data));
process.stdin.on("end", () => {
  const { secret, headers, body } = JSON.parse(input);
  try {
    const event = new Webhook(secret).verify(body, headers);
    console.log(event.id);
  } catch (fault) {
    console.log(`refused: ${fault.message}`);
  }
});

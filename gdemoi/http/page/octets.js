// The octets of an SMS and what they mean: submit_sm (SMPP 3.4 §4.4.1), user data
// headers (3GPP TS 23.040 §9.2.3.24), the GSM alphabet (3GPP TS 23.038 §6.2.1).
const GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION = { 10: "\f", 20: "^", 40: "{", 41: "}", 47: "\\", 60: "[", 61: "~", 62: "]", 64: "|", 101: "€" };
export const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const hex = (octets) => Array.from(octets, (one) => one.toString(16).padStart(2, "0")).join(" ");

function septets(octets) {
  let text = "";
  for (let i = 0; i < octets.length; i++) {
    if (octets[i] === 0x1b && i + 1 < octets.length) text += EXTENSION[octets[++i]] ?? "\ufffd";
    else text += GSM[octets[i]] ?? "\ufffd";
  }
  return text;
}
function packed(octets, from) {
  // seven bits a sign; a header takes whole ones
  const found = [];
  for (let bit = from * 7; bit + 7 <= octets.length * 8; bit += 7) {
    const i = bit >> 3, shift = bit & 7;
    found.push(((octets[i] | ((octets[i + 1] ?? 0) << 8)) >> shift) & 0x7f);
  }
  return septets(found);
}
export function textOf(octets, charset) {
  switch (charset) {
    case "ucs2": return new TextDecoder("utf-16be").decode(octets);
    case "gsm8": return septets(octets);
    case "latin1": return Array.from(octets, (one) => String.fromCharCode(one)).join("");
    case "ascii": case "utf8": return new TextDecoder().decode(octets);
    default: return "";
  }
}
const ELEMENTS = { 0x00: "part", 0x08: "part", 0x04: "ports", 0x05: "ports" };
// [[octets of an element, what it says], …], or null when it is no header
export function header(octets) {
  const length = octets[0], found = [];
  if (!length || length >= octets.length) return null;
  for (let at = 1; at <= length;) {
    const id = octets[at], size = octets[at + 1], end = at + 2 + size;
    if (size === undefined || end > length + 1) return null;
    const data = octets.subarray(at + 2, end);
    found.push([octets.subarray(at, end), element(id, data)]);
    at = end;
  }
  return { length: length + 1, elements: found };
}
function element(id, data) {
  const wide = id === 0x08 || id === 0x05;
  const one = (i) => (wide ? (data[i * 2] << 8) | data[i * 2 + 1] : data[i]);
  if (ELEMENTS[id] === "ports") return `port ${one(1)} → ${one(0)}`;
  if (ELEMENTS[id] === "part")
    return `reference ${one(0)}, part ${data[data.length - 1]} of ${data[data.length - 2]}`;
  return `element 0x${id.toString(16).padStart(2, "0")}`;
}
// rows [octets, what, value] of the user data of one segment
export function userData(octets, charset, several) {
  const rows = [];
  const found = several ? header(octets) : null;
  let from = 0;
  if (found) {
    from = found.length;
    rows.push([octets.subarray(0, 1), "UDHL", String(octets[0])]);
    for (const [part, words] of found.elements) rows.push([part, "UDH", words]);
  }
  const rest = octets.subarray(from);
  const text = charset === "gsm7" ? packed(octets, Math.ceil((from * 8) / 7)) : textOf(rest, charset);
  rows.push([rest, charset ?? "binary", text]);
  return rows;
}

const COMMANDS = { 4: "submit_sm" };
const TLVS = { 0x0204: "user_message_reference", 0x020a: "source_port", 0x020b: "destination_port",
  0x020c: "sar_msg_ref_num", 0x020e: "sar_total_segments", 0x020f: "sar_segment_seqnum",
  0x0424: "message_payload" };
// rows [octets, what, value] of a submit_sm, or null when it is none
export function submitSm(octets) {
  const view = new DataView(octets.buffer, octets.byteOffset);
  if (octets.length < 17 || view.getUint32(0) !== octets.length || view.getUint32(4) !== 4) return null;
  let at = 0;
  const rows = [];
  const whole = (what, size, say = String) => {
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + octets[at + i];
    rows.push([octets.subarray(at, at + size), what, say(value)]);
    at += size;
    return value;
  };
  const word = (what) => {
    const end = octets.indexOf(0, at);
    rows.push([octets.subarray(at, end + 1), what, textOf(octets.subarray(at, end), "latin1")]);
    at = end + 1;
  };
  whole("command_length", 4);
  whole("command_id", 4, (id) => COMMANDS[id]);
  whole("command_status", 4);
  whole("sequence_number", 4);
  word("service_type");
  for (const side of ["source", "dest"]) {
    whole(`${side}_addr_ton`, 1);
    whole(`${side}_addr_npi`, 1);
    word(side === "source" ? "source_addr" : "destination_addr");
  }
  const as = (value) => `0x${value.toString(16).padStart(2, "0")}`;
  whole("esm_class", 1, as);
  for (const what of ["protocol_id", "priority_flag"]) whole(what, 1);
  word("schedule_delivery_time");
  word("validity_period");
  for (const what of ["registered_delivery", "replace_if_present_flag"]) whole(what, 1, as);
  whole("data_coding", 1, as);
  whole("sm_default_msg_id", 1);
  const size = whole("sm_length", 1);
  rows.push([octets.subarray(at, at + size), "short_message", ""]);
  at += size;
  while (at + 4 <= octets.length) {
    const tag = view.getUint16(at), length = view.getUint16(at + 2), end = at + 4 + length;
    rows.push([octets.subarray(at, end), TLVS[tag] ?? `TLV ${as(tag)}`, hex(octets.subarray(at + 4, end))]);
    at = end;
  }
  return rows;
}

// Parses typed or pasted lines as points: times and values that have one reading, as in the command line.
const SEPARATOR = /\s*[,;\t]\s*/;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const COMPACT_DATE = /^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(\d{4}|\d{6})?$/;
const [Y1990, Y2100, LAST] = [631152000, 4102444800, 253402300799]; // seconds; the server refuses times after LAST
const OTHER_FILES = "For other files, use tsad predict --file.";

// Returns [[seconds, value], …] sorted by time; throws an Error that names the invalid line.
export function pointsOf(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const points = [];
  for (const [index, line] of lines.entries()) {
    if (line === "") continue;
    const fields = line.split(SEPARATOR);
    if (points.length === 0 && isHeader(fields) && lines.slice(index + 1).some(Boolean)) continue;
    points.push(pointOf(fields, index + 1, line));
  }
  if (points.length === 0) throw new Error("Enter a point first: its time and value, as in the example.");
  points.sort(([time], [otherTime]) => time - otherTime);
  const duplicate = points.findIndex(([time], index) => index > 0 && time === points[index - 1][0]);
  if (duplicate > 0) throw new Error(`Duplicate timestamp ${points[duplicate][0]}. Keep one value per timestamp.`);
  return points;
}

const isHeader = (fields) => fields.every((field) => /^"?[A-Za-z_][\w ]*"?$/.test(field));

function pointOf(fields, line, text) {
  if (fields.length !== 2) {
    throw new Error(`Line ${line} needs a time and a value, separated by a comma. ${OTHER_FILES}`);
  }
  const [time, value] = fields.map((field) => field.replace(/^"(.*)"$/, "$1"));
  const seconds = secondsOf(time);
  if (!Number.isSafeInteger(seconds)) {
    const advice = "Use whole seconds since 1970, or a time such as 2026-01-31T18:00:00Z.";
    throw new Error(`Line ${line}: "${short(time)}" is not a valid time. ${advice}`);
  }
  if (seconds < Y1990 && /^\d+,\d+$/.test(text)) {
    throw new Error(`Line ${line}: "${short(text)}" can be one number with a decimal comma. ${OTHER_FILES}`);
  }
  if (!NUMBER.test(value) || !Number.isFinite(Number(value))) {
    throw new Error(`Line ${line}: "${short(value)}" is not a number.`);
  }
  return [seconds, Number(value)];
}

function secondsOf(time) {
  if (/^[0-9]+$/.test(time)) return secondsOfNumber(time);
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.0+)?)?)(Z|[+-]\d\d:?\d\d)?)?$/i.exec(time);
  return iso ? Date.parse(`${iso[1]}T${iso[2] ?? "00:00"}${iso[3] ?? "Z"}`) / 1000 : NaN; // UTC unless it has a zone
}

// Numbers of 13, 16 and 19 digits are milli-, micro- and nanoseconds.
function secondsOfNumber(digits) {
  const number = Number(digits);
  const seconds = Math.floor(number / 1000 ** ((digits.length - 10) / 3));
  if ([13, 16, 19].includes(digits.length) && seconds >= Y1990 && seconds <= Y2100) return seconds;
  return COMPACT_DATE.test(digits) || (number > Y2100 && number <= LAST) ? NaN : number;
}

const short = (text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);

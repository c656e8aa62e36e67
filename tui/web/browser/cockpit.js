"use strict";
// Draws what the cockpit writes for a terminal as rows of text, and sends keys, clicks and pastes back.
// It understands only what the cockpit uses: cursor moves, colours, text. Text is set as text, never as HTML.

const ESC = "\x1b";
const screenElement = document.getElementById("screen");
const notice = document.getElementById("notice");
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /\p{Mn}/u;
const BASIC = ["#11151c", "#ff8a5c", "#3fc6a4", "#f2c14e", "#6cb6ff", "#b9a1ff", "#5cc8d7", "#d6dbe5",
  "#3a4454", "#ffab87", "#7fdcc4", "#f7d98a", "#9bcdff", "#d3c4ff", "#93dde7", "#ffffff"];

let columns = 80, rows = 24, cell = { width: 8.4, height: 18 };
let grid = [], dirty = new Set(), drawn = [];
let cursor = { x: 0, y: 0 }, style = "", pending = "";
let socket = null, isStarting = true;

function measureCell() {
  const probe = document.createElement("span");
  probe.textContent = "0".repeat(100);
  probe.style.position = "absolute";
  screenElement.append(probe);
  cell = { width: probe.getBoundingClientRect().width / 100, height: 18 };
  probe.remove();
  columns = Math.max(40, Math.min(300, Math.floor(window.innerWidth / cell.width)));
  rows = Math.max(12, Math.min(120, Math.floor(window.innerHeight / cell.height)));
}

function resetGrid() {
  grid = Array.from({ length: rows }, () => Array.from({ length: columns }, () => ({ text: " ", style: "" })));
  drawn = Array.from({ length: rows }, () => {
    const row = document.createElement("div");
    row.className = "row";
    return row;
  });
  screenElement.replaceChildren(...drawn);
  for (let y = 0; y < rows; y += 1) dirty.add(y);
}

function put(character) {
  if (NO_WIDTH.test(character)) {
    const before = grid[cursor.y]?.[cursor.x - 1];
    if (before) before.text += character;
    return;
  }
  const width = WIDE.test(character) ? 2 : 1;
  const row = grid[cursor.y];
  if (row && cursor.x < columns) {
    row[cursor.x] = { text: character, style };
    if (width === 2 && cursor.x + 1 < columns) row[cursor.x + 1] = { text: "", style };
    dirty.add(cursor.y);
  }
  cursor.x += width;
}

function colour(parts) {
  // Reads what follows 38 or 48; takes its numbers away from the list.
  const kind = parts.shift();
  if (kind === 2) return `#${parts.splice(0, 3).map((part) => (part & 255).toString(16).padStart(2, "0")).join("")}`;
  if (kind === 5) {
    const index = parts.shift() ?? 0;
    if (index < 16) return BASIC[index];
    if (index > 231) { const grey = 8 + (index - 232) * 10; return `rgb(${grey},${grey},${grey})`; }
    const value = index - 16, level = (n) => (n ? 55 + n * 40 : 0);
    return `rgb(${level(Math.floor(value / 36))},${level(Math.floor(value / 6) % 6)},${level(value % 6)})`;
  }
  return "";
}

let look = {};
function select(parameters) {
  const parts = parameters.split(/[;:]/).map((part) => Number(part || 0));
  while (parts.length) {
    const code = parts.shift();
    if (code === 0) look = {};
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 3) look.italic = true;
    else if (code === 4) look.underline = true;
    else if (code === 7) look.reverse = true;
    else if (code === 22) { look.bold = false; look.dim = false; }
    else if (code === 23) look.italic = false;
    else if (code === 24) look.underline = false;
    else if (code === 27) look.reverse = false;
    else if (code === 38) look.ink = colour(parts);
    else if (code === 48) look.paper = colour(parts);
    else if (code === 39) look.ink = "";
    else if (code === 49) look.paper = "";
    else if (code >= 30 && code <= 37) look.ink = BASIC[code - 30];
    else if (code >= 40 && code <= 47) look.paper = BASIC[code - 40];
    else if (code >= 90 && code <= 97) look.ink = BASIC[code - 82];
    else if (code >= 100 && code <= 107) look.paper = BASIC[code - 92];
  }
  let ink = look.ink || "#d6dbe5", paper = look.paper || "";
  if (look.reverse) [ink, paper] = [paper || "#11151c", ink];
  style = `${ink}|${paper}|${look.bold ? 1 : 0}|${look.italic ? 1 : 0}|${look.underline ? 1 : 0}|${look.dim ? 1 : 0}`;
}

const SEQUENCE = /^\x1b(?:\[([?>=]?)([\d;:]*)([$ ]?)([@-~])|\]([^\x07\x1b]*)(?:\x07|\x1b\\)|[()][A-Za-z0-9]|[=>78cDEHM])/;
const UNFINISHED = /^\x1b(?:\[[?>=]?[\d;:]*[$ ]?|\][^\x07\x1b]*\x1b?|[()]?)?$/;

function feed(data) {
  let text = pending + data;
  pending = "";
  while (text) {
    const at = text.indexOf(ESC);
    const plain = at < 0 ? text : text.slice(0, at);
    for (const character of plain) {
      if (character === "\n") { cursor.y += 1; cursor.x = 0; }
      else if (character === "\r") cursor.x = 0;
      else if (character >= " ") put(character);
    }
    if (at < 0) break;
    text = text.slice(at);
    const match = SEQUENCE.exec(text);
    if (!match) {
      if (UNFINISHED.test(text) && text.length < 4096) { pending = text; break; }
      text = text.slice(1);
      continue;
    }
    text = text.slice(match[0].length);
    const [, prefix, parameters, , final] = match;
    if (final === "m" && !prefix) select(parameters);
    else if (final === "H" || final === "f") {
      const [y, x] = parameters.split(";").map((part) => Number(part || 1));
      cursor = { x: (x || 1) - 1, y: (y || 1) - 1 };
    } else if (final === "J" && !prefix) resetGrid();
    else if (final === "A") cursor.y -= Number(parameters || 1);
    else if (final === "B") cursor.y += Number(parameters || 1);
    else if (final === "C") cursor.x += Number(parameters || 1);
    else if (final === "D") cursor.x -= Number(parameters || 1);
  }
  requestAnimationFrame(draw);
}

function draw() {
  for (const y of dirty) {
    const spans = [];
    let current = null, x = 0;
    for (const each of grid[y]) {
      if (current === null || current.look !== each.style) {
        current = { look: each.style, text: "", cells: 0 };
        spans.push(current);
      }
      current.text += each.text;
      current.cells += 1;
      x += 1;
    }
    drawn[y].replaceChildren(...spans.map((span) => {
      const element = document.createElement("span");
      element.textContent = span.text;
      const [ink, paper, bold, italic, underline, dim] = span.look.split("|");
      element.style.width = `${span.cells * cell.width}px`;
      if (ink) element.style.color = ink;
      if (paper) element.style.background = paper;
      if (bold === "1") element.style.fontWeight = "bold";
      if (italic === "1") element.style.fontStyle = "italic";
      if (underline === "1") element.style.textDecoration = "underline";
      if (dim === "1") element.style.opacity = "0.65";
      return element;
    }));
  }
  dirty.clear();
  if (isStarting && grid.some((row) => row.some((each) => each.text.trim()))) {
    isStarting = false;
    notice.textContent = "";
  }
}

const KEYS = {
  Enter: "\r", Escape: ESC, Backspace: "\x7f", Tab: "\t", Delete: "\x1b[3~", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B",
  ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D", Home: "\x1b[H", End: "\x1b[F", PageUp: "\x1b[5~", PageDown: "\x1b[6~",
  F1: "\x1bOP", F2: "\x1bOQ",
};

function send(kind, value) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify([kind, value]));
}

function onKey(event) {
  if (event.metaKey || event.isComposing) return;
  let text = KEYS[event.key];
  if (event.key === "Tab" && event.shiftKey) text = "\x1b[Z";
  if (text === undefined && event.ctrlKey && !event.altKey && /^[a-z]$/i.test(event.key)) {
    if ("cv".includes(event.key.toLowerCase())) return; // the browser's own copy and paste
    text = String.fromCharCode(event.key.toLowerCase().charCodeAt(0) - 96);
  }
  if (text === undefined && event.key.length >= 1 && [...event.key].length === 1 && !event.ctrlKey) text = event.key;
  if (text === undefined) return;
  event.preventDefault();
  send("keys", text);
}

function place(event) {
  const box = screenElement.getBoundingClientRect();
  const x = Math.floor((event.clientX - box.left) / cell.width) + 1;
  const y = Math.floor((event.clientY - box.top) / cell.height) + 1;
  return `${Math.min(columns, Math.max(1, x))};${Math.min(rows, Math.max(1, y))}`;
}

function connect() {
  measureCell();
  resetGrid();
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/socket?columns=${columns}&rows=${rows}`);
  socket.onopen = () => { notice.textContent = "starting the cockpit …"; screenElement.focus(); };
  socket.onmessage = (event) => feed(event.data);
  socket.onclose = () => {
    notice.textContent = "The cockpit is closed. Campaigns go on. Press enter to open it again.";
    window.addEventListener("keydown", (event) => { if (event.key === "Enter") location.reload(); });
  };
}

screenElement.addEventListener("keydown", onKey);
screenElement.addEventListener("mousedown", (event) => {
  screenElement.focus();
  if (event.button === 0) send("keys", `\x1b[<0;${place(event)}M`);
});
screenElement.addEventListener("mouseup", (event) => { if (event.button === 0) send("keys", `\x1b[<0;${place(event)}m`); });
screenElement.addEventListener("wheel", (event) => {
  event.preventDefault();
  send("keys", `\x1b[<${event.deltaY < 0 ? 64 : 65};${place(event)}M`);
}, { passive: false });
document.addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text") ?? "";
  if (text) send("keys", `\x1b[200~${text.replaceAll(ESC, "")}\x1b[201~`);
});
let resizing = 0;
window.addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => { measureCell(); resetGrid(); send("size", [columns, rows]); }, 150);
});
connect();

// Parts that the views of widgets share; they stand before each view in one module.

const GREY = "#8c8c8c"; // of who is in no segment
const NOWHERE = -1; // the position of a segment where somebody is in none

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function dot(color) {
  const made = element("span", { className: "swatch" });
  made.style.background = color;
  return made;
}

function toolButton(label, title, act) {
  const made = element("button", { type: "button", title }, label);
  made.addEventListener("click", act);
  return made;
}

function tableOf(titles, body, className = "") {
  const heads = titles.map((title) => (title instanceof Node ? title : element("th", { scope: "col" }, title)));
  return element("table", { className }, element("thead", {}, element("tr", {}, ...heads)), body);
}

// What scrolls in a box of its own, also by the keyboard.
function scrolled(label, content) {
  const box = element("div", { className: "rows", tabIndex: 0 }, content);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", label);
  return box;
}

// One end of a move between segments; `nowhere` where it is none of them.
function endOf(segment, nowhere, before = "") {
  return element("span", { className: "end" }, before, dot(segment ? segment.color : GREY), element("span", {}, segment ? segment.name : nowhere));
}

function sayPlays(button, plays, start, stop) {
  button.textContent = plays ? "❚❚" : "▶";
  button.setAttribute("aria-label", plays ? stop : start);
}

function errorLine(role = "alert") {
  const line = element("div", { className: "error" });
  line.setAttribute("role", role);
  return line;
}

function codeBlock(code, title = "The code") {
  return element("details", { className: "code" }, element("summary", {}, title), code);
}

// Call what draws at each change of the model, until what is returned is called.
function follow(model, draws) {
  for (const [event, draw] of Object.entries(draws)) model.on(event, draw);
  return () => {
    for (const [event, draw] of Object.entries(draws)) model.off(event, draw);
  };
}

function number(n) {
  return n.toLocaleString("en");
}

function customers(n) {
  return `${number(n)} customer${n === 1 ? "" : "s"}`;
}

// JupyterLab takes plain keys for its own, even here: "a" would add a cell, and Enter leave the button unpressed.
function keepKeys(root) {
  const mark = (event) => {
    const plain = !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey);
    if (root.contains(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", plain);
  };
  window.addEventListener("keydown", mark, true);
  return () => window.removeEventListener("keydown", mark, true);
}

// Ctrl+Z undoes and Ctrl+Shift+Z redoes, where a key was pressed within; fields of text have their own.
function undoKeys(within, act) {
  const press = (event) => {
    const asked = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "z";
    if (!asked || !within(event.target) || event.target.matches("input:not([type=checkbox], [type=range]), textarea")) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // JupyterLab, and widgets inside, would undo as well
    act(event.shiftKey ? "redo" : "undo");
  };
  window.addEventListener("keydown", press, true);
  return () => window.removeEventListener("keydown", press, true);
}

// Jupyter cuts a widget off where its kernel ends or is started again: say so, since the page goes on looking alive.
function sayGone(model, root) {
  const say = () => {
    if (root.querySelector(":scope > .gone")) return;
    const said = element("p", { className: "gone" }, "Python was started again, and answers here no more. Run the cell again.");
    said.setAttribute("role", "alert");
    root.prepend(said);
  };
  model.on("comm_live_update", say);
  return () => model.off("comm_live_update", say);
}

// What every view has to do beside drawing; returns how to undo it.
function join(model, root) {
  const undo = [keepKeys(root), sayGone(model, root)];
  return () => undo.forEach((one) => one());
}

// What Python sent as bytes, as numbers of one kind, such as Uint16Array; copied, since they may begin anywhere.
function numbers(Kind, bytes) {
  const part = bytes && bytes.byteLength ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : new ArrayBuffer(0);
  return new Kind(part);
}

// Parts that the views of widgets share; they stand before each view in one module.

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

// What Python sent as bytes, as numbers of one kind, such as Uint16Array; copied, since they may begin anywhere.
function numbers(Kind, bytes) {
  const part = bytes && bytes.byteLength ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : new ArrayBuffer(0);
  return new Kind(part);
}

// The view of FeaturePicker: a fieldset for each family, a row with a tick for each feature.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
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

function sparkline(bars, label) {
  const svg = document.createElementNS(SVG, "svg");
  const [width, height] = [92, 20];
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const step = width / Math.max(bars.length, 1);
  bars.forEach((bar, i) => {
    const rect = document.createElementNS(SVG, "rect");
    const tall = bar > 0 ? Math.max(bar * height, 1) : 0;
    rect.setAttribute("x", i * step);
    rect.setAttribute("y", height - tall);
    rect.setAttribute("width", Math.max(step - 1, 1));
    rect.setAttribute("height", tall);
    svg.append(rect);
  });
  const title = document.createElementNS(SVG, "title");
  title.textContent = label;
  svg.append(title);
  return svg;
}

function render({ model, el }) {
  const root = element("div", { className: "segkit picker" });
  const count = element("div", { className: "count" });
  const error = element("div", { className: "error" });
  error.setAttribute("role", "status");
  const code = element("pre");
  const ticks = new Map();
  const families = new Map();

  const choose = (names, place) => {
    if (!names.length) {
      place.after(error); // where the eye is: the list is taller than a screen
      error.textContent = "Keep at least one feature: without any there is nothing to segment by.";
      draw();
      return;
    }
    error.textContent = "";
    model.set("value", model.get("options").map((o) => o.name).filter((n) => names.includes(n)));
    model.save_changes();
  };

  const draw = () => {
    const chosen = model.get("value");
    for (const [name, { tick, row }] of ticks) {
      tick.checked = chosen.includes(name);
      row.classList.toggle("chosen", tick.checked);
    }
    for (const [, { all, names }] of families) {
      const on = names.filter((n) => chosen.includes(n)).length;
      all.checked = names.length > 0 && on === names.length;
      all.indeterminate = on > 0 && on < names.length;
    }
    count.textContent = `${chosen.length} of ${ticks.size} features chosen`;
    code.textContent = model.get("code");
  };

  for (const option of model.get("options")) {
    if (!families.has(option.family)) {
      const all = element("input", { type: "checkbox" });
      all.setAttribute("aria-label", `All of ${option.family}`);
      const box = element("fieldset", { className: "family" },
        element("legend", {}, element("label", {}, all, option.family)));
      const family = { all, box, names: [] };
      all.addEventListener("change", () => {
        const others = model.get("value").filter((n) => !family.names.includes(n));
        choose(all.checked ? [...others, ...family.names] : others, all.closest("legend"));
      });
      families.set(option.family, family);
      root.append(box);
    }
    const family = families.get(option.family);
    const tick = element("input", { type: "checkbox", disabled: Boolean(option.needs) });
    const doc = element("span", { className: "doc" }, option.doc);
    if (option.needs) doc.append(element("em", {}, ` Needs ${option.needs}, which these events lack.`));
    else if (option.missing >= 0.005) {
      const much = option.missing >= 0.2 ? "em" : "span";
      doc.append(element(much, {}, ` Unknown for ${Math.round(option.missing * 100)}\u00a0%.`));
    }
    const row = element("label", { className: "feature" }, tick,
      element("span", { className: "name" }, option.name, element("span", { className: "unit" }, option.unit)),
      option.bars.length ? sparkline(option.bars, option.range) : element("span"), doc);
    row.dataset.feature = option.name;
    family.box.append(row);
    if (option.needs) {
      row.setAttribute("aria-disabled", "true");
      continue;
    }
    family.names.push(option.name);
    ticks.set(option.name, { tick, row });
    tick.addEventListener("change", () => {
      const rest = model.get("value").filter((n) => n !== option.name);
      choose(tick.checked ? [...rest, option.name] : rest, row);
    });
  }

  root.prepend(count);
  root.append(error, element("details", { className: "code" }, element("summary", {}, "The code"), code));
  el.append(root);
  for (const { all, names } of families.values()) all.disabled = !names.length;
  model.on("change:value", draw);
  model.on("change:code", draw);
  draw();
  const letGo = keepKeys(root);
  return () => {
    letGo();
    model.off("change:value", draw);
    model.off("change:code", draw);
  };
}

export default { render };

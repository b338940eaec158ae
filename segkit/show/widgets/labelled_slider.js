// A slider of the browser's own, which says its name and the words of its value to screen readers.

function render({ model, el }) {
  const slider = element("input", { type: "range", min: 0, max: model.get("labels").length - 1, step: 1 });
  const shown = element("span", { className: "readout" });
  shown.setAttribute("aria-hidden", "true");
  const say = () => {
    shown.textContent = model.get("labels")[Number(slider.value)];
    slider.setAttribute("aria-valuetext", shown.textContent);
  };
  const draw = () => {
    slider.value = model.get("at");
    say();
  };
  slider.addEventListener("input", say);
  slider.addEventListener("change", () => {
    model.set("at", Number(slider.value));
    model.save_changes();
  });
  const root = element("div", { className: "segkit slider" },
    element("label", {}, element("span", {}, model.get("description")), slider), shown);
  el.append(root);
  const unfollow = follow(model, { "change:at": draw });
  draw();
  const letGo = keepKeys(root);
  return () => {
    letGo();
    unfollow();
  };
}

export default { render };

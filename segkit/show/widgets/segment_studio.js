// The view of the studio's bar: its steps, and the slider of the number of segments.

function render({ model, el }) {
  const steps = element("nav", { className: "steps" });
  steps.setAttribute("aria-label", "Steps");
  const slider = element("input", { type: "range", min: 0, step: 1 });
  slider.setAttribute("aria-label", "Number of segments");
  const number = element("output", { className: "number" });
  const said = element("p", { className: "said" });
  said.setAttribute("role", "status");
  const error = errorLine();
  const code = element("pre");

  const ask = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  steps.append(...model.get("steps").map((step, i) => {
    const button = element("button", { type: "button" }, element("span", { className: "n" }, `${i + 1}`), step);
    button.dataset.step = step;
    button.addEventListener("click", () => ask("step", step));
    return button;
  }));

  // One number is asked for at a time, the latest when the one before is drawn: a quick hand is not followed by a queue.
  let waits = false, held = false;
  const here = () => model.get("numbers")[Number(slider.value)];
  const say = () => {
    number.textContent = here();
    slider.setAttribute("aria-valuetext", `${here()} segments`);
  };
  const send = () => {
    if (waits || here() === model.get("under")) return;
    waits = true;
    ask("under", here());
  };
  slider.addEventListener("input", () => {
    held = true;
    say();
    send();
  });
  slider.addEventListener("change", () => {
    held = false;
    ask("at", here());
  });
  const drawn = () => {
    waits = false;
    if (held) send();
  };

  const drawNumber = () => {
    const numbers = model.get("numbers");
    slider.max = numbers.length - 1;
    if (!held) slider.value = numbers.indexOf(model.get("at"));
    say();
  };
  const drawStep = () => {
    for (const button of steps.children) {
      const current = button.dataset.step === model.get("step");
      if (current) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    }
  };
  const drawWords = () => {
    const busy = model.get("busy");
    said.textContent = busy || model.get("said");
    error.textContent = model.get("error");
    code.textContent = model.get("code");
    root.classList.toggle("busy", Boolean(busy));
  };

  const root = element("div", { className: "segkit studio" },
    steps,
    element("div", { className: "choice" }, element("label", {}, "Segments ", slider), number, said),
    error,
    codeBlock(code, "The code of the next cells"));
  el.append(root);
  const draws = {
    "change:step": drawStep, "change:numbers": drawNumber, "change:at": drawNumber, "change:drawn": drawn,
    "change:said": drawWords, "change:busy": drawWords, "change:error": drawWords, "change:code": drawWords,
  };
  const unfollow = follow(model, draws);
  [drawStep, drawNumber, drawWords].forEach((draw) => draw());
  const letGo = join(model, root), all = () => root.closest(".segkit-studio") || root;
  const letGoUndo = undoKeys((at) => all().contains(at), (step) => model.send({ do: step }));
  return () => {
    letGo();
    letGoUndo();
    unfollow();
  };
}

export default { render };

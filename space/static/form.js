// Runs once for the form, with Gradio's `element`, `trigger`, `props`, `server` and `watch`.
// Every control says what it does; changes go to the server in batches, one batch at a time.
const WAIT = 150;
let waiting = [], inFlight = false, timer = null, turn = 0;

const json = (text) => { try { return JSON.parse(text); } catch { return []; } };
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function later(edit) {
  waiting = waiting.filter((other) => !(other.do === edit.do && same(other.path, edit.path)));
  waiting.push(edit);
  clearTimeout(timer);
  timer = setTimeout(send, WAIT);
}
function atOnce(edit) {
  // Until the form is drawn anew its places may be wrong.
  element.inert = true;
  waiting.push(edit);
  clearTimeout(timer);
  send();
}
function send() {
  if (inFlight || !waiting.length) return;
  inFlight = true;
  const edits = waiting;
  waiting = [];
  // The text that the form shows: the editor may be a step ahead, or behind.
  trigger("input", { edits, turn: ++turn, text: props.text });
  // An answer that never comes must not close the form for good.
  const mine = turn;
  setTimeout(() => { if (mine === turn) answered(); }, 15000);
}
function answered() {
  if (!inFlight) return;
  inFlight = false;
  if (waiting.length) return send();
  element.inert = false;
  if (!pressed) return;
  const button = pressed;
  pressed = null;
  // The text that the button takes has to be the new one.
  setTimeout(() => button.click(), 60);
}
// Who types and presses at once means what was typed: the button waits until the text has it.
let pressed = null;
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#ms-publish, #ms-language, #ms-propose button, #ms-download");
  if (!button || !(inFlight || waiting.length)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  pressed = button;
  clearTimeout(timer);
  send();
}, true);

function valueOf(control) {
  switch (control.dataset.kind) {
    case "number": return control.value === "" ? null : Number(control.value);
    case "whole": return control.value === "" ? null : Math.trunc(Number(control.value));
    case "switch": return String(control.checked) === control.dataset.default ? null : control.checked;
    case "list": return numbers(control.value);
    default: return control.value.trim();
  }
}
function numbers(text) {
  const found = text.split(/[\s,;、，]+/).filter(Boolean).map(Number);
  return found.length && found.every(Number.isFinite) ? found : undefined;
}

element.addEventListener("input", (event) => {
  event.stopPropagation();
  const control = event.target, what = control.dataset.do;
  if (what === "slide") {
    const box = control.parentElement.querySelector("input[type=number]");
    box.value = control.value;
    later({ do: "put", path: json(control.dataset.path), value: Number(control.value) });
  } else if (what === "method") {
    atOnce({ do: "method", value: control.value });
  } else if (what === "put" || what === "rename") {
    if (control.dataset.search !== undefined) search(control);
    const value = valueOf(control);
    const wrong = value === undefined || (typeof value === "number" && !Number.isFinite(value));
    control.setAttribute("aria-invalid", String(wrong));
    if (wrong) return;
    const slider = control.parentElement.querySelector("input[type=range]");
    if (slider && value !== null) slider.value = value;
    const drawn = control.dataset.kind === "list" && control.closest(".ms-curve");
    if (drawn) { drawn.dataset.values = value.join(","); draw(drawn); }
    later({ do: what, path: json(control.dataset.path), value });
  }
});
element.addEventListener("change", (event) => event.stopPropagation());
element.addEventListener("submit", (event) => event.preventDefault());
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (!button) return;
  event.preventDefault();
  const what = button.dataset.do, path = json(button.dataset.path);
  if (what === "more" || what === "fewer") return resample(button.closest(".ms-curve"), what === "more" ? 1 : -1);
  const edit = { do: what, path };
  if (what === "one" || what === "layers" || what === "parts") edit.start = Number(button.dataset.start);
  atOnce(edit);
});

// The search box: what the Hub finds, beside what is offered anyway. Anything may be typed.
let asked = 0;
async function search(control) {
  const mine = ++asked, text = control.value.trim();
  await new Promise((done) => setTimeout(done, 250));
  if (mine !== asked || text.length < 2) return;
  let found = [];
  try { found = await server.search(text); } catch { return; }
  if (!Array.isArray(found)) return;
  const list = element.querySelector("#ms-models");
  if (mine !== asked || !list) return;
  for (const name of found) {
    if ([...list.options].some((option) => option.value === name)) continue;
    const option = document.createElement("option");
    option.value = name;
    list.prepend(option);
  }
}

// The gradient editor. Points are sliders of their own: drag, draw over the curve, or use the arrow keys.
const SVG = "http://www.w3.org/2000/svg", HEIGHT = 120, EDGE = 12;
const widthOf = (curve) => curve.querySelector("svg").clientWidth || 320;
function part(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
function shape(curve) {
  const values = curve.dataset.values.split(",").map(Number).map((value) => (Number.isFinite(value) ? value : 0));
  const WIDTH = widthOf(curve);
  const low = Math.min(Number(curve.dataset.low), ...values), high = Math.max(Number(curve.dataset.high), ...values);
  const x = (index) => EDGE + (values.length > 1 ? (index * (WIDTH - 2 * EDGE)) / (values.length - 1) : (WIDTH - 2 * EDGE) / 2);
  const y = (value) => HEIGHT - EDGE - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE);
  return { values, low, high, x, y, WIDTH };
}
function draw(curve) {
  const svg = curve.querySelector("svg"), { values, low, high, x, y, WIDTH } = shape(curve);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const focused = [...svg.querySelectorAll("circle")].indexOf(document.activeElement);
  svg.replaceChildren();
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(part("line", { x1: EDGE, x2: WIDTH - EDGE, y1: y(value), y2: y(value), class: "ms-grid" }));
  }
  const points = values.map((value, index) => `${x(index)},${y(value)}`);
  const floor = `${x(values.length - 1)},${HEIGHT - EDGE} ${x(0)},${HEIGHT - EDGE}`;
  svg.append(part("polygon", { points: `${points.join(" ")} ${floor}`, class: "ms-area" }));
  svg.append(part("polyline", { points: points.join(" "), class: "ms-line" }));
  values.forEach((value, index) => {
    const told = curve.dataset.point.replace("##", values.length).replace("#", index + 1);
    svg.append(part("circle", {
      cx: x(index), cy: y(value), r: 6, tabindex: 0, role: "slider", "aria-label": told,
      "aria-valuemin": low, "aria-valuemax": high, "aria-valuenow": value, "data-index": index,
    }));
  });
  if (focused >= 0) svg.querySelectorAll("circle")[focused]?.focus();
}
function set(curve, index, value) {
  const { values, low, high } = shape(curve), step = Number(curve.dataset.step);
  value = Math.min(Math.max(Math.round(value / step) * step, low), high);
  values[index] = Number(value.toFixed(4));
  keep(curve, values);
}
function keep(curve, values) {
  curve.dataset.values = values.join(",");
  curve.querySelector("input[type=text]").value = values.join(", ");
  draw(curve);
  later({ do: "put", path: json(curve.dataset.path), value: values });
}
function resample(curve, by) {
  const { values } = shape(curve), count = Math.min(Math.max(values.length + by, 2), 32);
  keep(curve, Array.from({ length: count }, (_, index) => {
    const at = values.length > 1 ? (index * (values.length - 1)) / (count - 1) : 0, left = Math.floor(at);
    const right = Math.min(left + 1, values.length - 1);
    return Number((values[left] + (values[right] - values[left]) * (at - left)).toFixed(3));
  }));
}
function drawnAt(curve, event) {
  const svg = curve.querySelector("svg"), box = svg.getBoundingClientRect(), { values, low, high, x } = shape(curve);
  const px = event.clientX - box.left, py = ((event.clientY - box.top) / box.height) * HEIGHT;
  const distances = values.map((_, index) => Math.abs(x(index) - px));
  const value = low + ((HEIGHT - EDGE - py) / (HEIGHT - 2 * EDGE)) * (high - low);
  set(curve, distances.indexOf(Math.min(...distances)), value);
}
let drawing = null;
element.addEventListener("pointerdown", (event) => {
  const svg = event.target.closest?.(".ms-curve svg");
  if (!svg) return;
  event.preventDefault();
  drawing = svg.closest(".ms-curve");
  svg.setPointerCapture(event.pointerId);
  drawnAt(drawing, event);
});
element.addEventListener("pointermove", (event) => { if (drawing) drawnAt(drawing, event); });
for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => { drawing = null; });
element.addEventListener("keydown", (event) => {
  const circle = event.target.closest?.("circle[role=slider]");
  if (!circle) return;
  const curve = circle.closest(".ms-curve"), { values, low, high } = shape(curve);
  const index = Number(circle.dataset.index), step = Number(curve.dataset.step);
  const by = { ArrowUp: step, ArrowRight: step, ArrowDown: -step, ArrowLeft: -step, PageUp: 10 * step, PageDown: -10 * step }[event.key];
  const value = event.key === "Home" ? low : event.key === "End" ? high : by === undefined ? undefined : values[index] + by;
  if (value === undefined) return;
  event.preventDefault();
  set(curve, index, value);
});

// Marks: each finding under the control that caused it, or under the nearest place that holds it.
function mark() {
  element.querySelectorAll(".ms-mark").forEach((old) => old.remove());
  element.querySelectorAll("[data-marked]").forEach((control) => {
    control.removeAttribute("data-marked");
    control.removeAttribute("aria-invalid");
    const rest = (control.getAttribute("aria-describedby") || "").split(" ").filter((id) => id && !id.startsWith("ms-mark"));
    if (rest.length) control.setAttribute("aria-describedby", rest.join(" "));
    else control.removeAttribute("aria-describedby");
  });
  for (const [number, { path, level, text }] of (props.marks || []).entries()) {
    if (level === "note") continue;
    const control = nearest(path);
    if (!control) continue;
    const told = document.createElement("p");
    told.className = `ms-mark ms-${level}`;
    told.id = `ms-mark-${number}`;
    text.split("`").forEach((piece, index) => {
      const node = document.createElement(index % 2 ? "code" : "span");
      node.textContent = piece;
      told.append(node);
    });
    const around = ".ms-row-head,.ms-part-head,.ms-number,.ms-curve", field = control.matches("input,select");
    const holder = field ? control.closest(around) || control.closest("label") || control : control;
    if (field) holder.after(told); else holder.append(told);
    control.dataset.marked = level;
    if (!control.matches("input,select")) continue;
    if (level === "error") control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-describedby", `${control.getAttribute("aria-describedby") || ""} ${told.id}`.trim());
  }
}
function nearest(path) {
  for (let length = path.length; length > 0; length -= 1) {
    const wanted = path.slice(0, length);
    const named = [...element.querySelectorAll("[data-path]:not([type=range]):not(button)")];
    const found = named.find((control) => same(json(control.dataset.path), wanted))
      || [...element.querySelectorAll("[data-place]")].find((place) => same(json(place.dataset.place), wanted));
    if (found) return found;
  }
  return null;
}

// What the server drew anew replaces what was typed, but for the control that somebody is in.
function settle() {
  for (const control of element.querySelectorAll("input, select")) {
    if (control === document.activeElement) continue;
    if (control.type === "checkbox" || control.type === "radio") control.checked = control.hasAttribute("checked");
    else if (control.tagName === "SELECT") {
      const chosen = [...control.options].find((option) => option.hasAttribute("selected"));
      control.selectedIndex = chosen ? chosen.index : 0;
    } else if (control.value !== (control.getAttribute("value") ?? "")) control.value = control.getAttribute("value") ?? "";
  }
  element.querySelectorAll(".ms-curve").forEach(draw);
  mark();
  nameEditor();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-goto]");
  const control = link && nearest(json(link.dataset.goto));
  if (!control) return;
  const target = control.matches("input,select,textarea") ? control : control.querySelector("input,select,button") || control;
  target.closest("details")?.setAttribute("open", "");
  target.scrollIntoView({ block: "center" });
  target.focus();
});
window.addEventListener("resize", () => element.querySelectorAll(".ms-curve").forEach(draw));
// Tab leaves the text's editor, as it leaves any other field; and the editor has a name.
document.addEventListener("keydown", (event) => {
  if (event.key === "Tab" && event.target.closest?.("#ms-yaml")) event.stopImmediatePropagation();
}, true);
function nameEditor() {
  const editor = document.querySelector("#ms-yaml .cm-content"), name = element.querySelector(".ms-form")?.dataset.yaml;
  if (editor && name) editor.setAttribute("aria-label", name);
}
watch("value", () => setTimeout(settle, 0));
watch("marks", mark);
watch("turn", answered);
// What the reader had here before comes first; until it is there nothing may be changed.
function ready() {
  element.inert = false;
  document.querySelector("#ms-yaml")?.removeAttribute("inert");
  element.classList.add("ms-live");
}
element.inert = true;
document.querySelector("#ms-yaml")?.setAttribute("inert", "");
watch("ready", ready);
setTimeout(ready, 8000);
setTimeout(settle, 0);

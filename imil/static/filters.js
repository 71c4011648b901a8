// Order, class and confusion matrix of a queue. Gradio runs this once a mount, as the body of a
// function with the arguments (element, trigger, props, server, upload, watch). Texts go in as
// text, never as HTML. What is chosen is the component's value; what there is to choose, `about`.

const root = element.querySelector(".filters");
const sort = root.querySelector("[data-choose=sort]");
const label = root.querySelector("[data-choose=label]");
const table = root.querySelector("table");
let stop = null; // the cell at which the Tab key stops: one of them, from which arrows go on
let drawn = ""; // what the table shows: it is left alone, and with it the focus, while that stays

const chosen = () => ({ sort: "worst", label: null, cell: null, ...(props.value ?? {}) });

function make(kind, words, extra = {}) {
  const made = document.createElement(kind);
  made.textContent = words;
  for (const [name, value] of Object.entries(extra)) made.setAttribute(name, value);
  return made;
}

function fillSelect(select, choices) {
  const now = [...select.options].map((option) => [option.value, option.textContent]);
  if (JSON.stringify(now) === JSON.stringify(choices)) return;
  select.replaceChildren(...choices.map(([value, words]) => make("option", words, { value })));
}

function drawTable(matrix) {
  const key = JSON.stringify(matrix);
  if (key === drawn) return;
  drawn = key;
  stop = null;
  const head = document.createElement("tr");
  head.append(make("td", matrix.corner));
  for (const [words, title] of matrix.heads) {
    head.append(make("th", words, { scope: "col", title, "aria-label": title }));
  }
  const rows = matrix.cells.map((cells, row) => {
    const line = document.createElement("tr");
    line.append(make("th", matrix.rows[row], { scope: "row", title: matrix.rows[row] }));
    cells.forEach((cell, column) => {
      const button = make("button", cell.count, {
        type: "button", "data-cell": `${row},${column}`, "aria-label": cell.says, title: cell.says,
      });
      button.classList.toggle("err", row !== column && cell.count !== "0");
      button.classList.toggle("zero", cell.count === "0");
      const place = document.createElement("td");
      place.append(button);
      line.append(place);
    });
    return line;
  });
  const top = document.createElement("thead");
  const body = document.createElement("tbody");
  top.append(head);
  body.append(...rows);
  table.classList.toggle("many", matrix.corner !== "");
  table.replaceChildren(top, body);
}

function fill() {
  const about = props.about;
  root.hidden = !about;
  if (!about) return;
  fillSelect(sort, about.sorts);
  fillSelect(label, about.labels);
  drawTable(about.matrix);
  root.querySelector(".told").textContent = about.told;
  mark();
}

function mark() {
  const now = chosen();
  sort.value = now.sort;
  label.value = now.label === null ? "" : String(now.label);
  const cell = now.cell ? now.cell.join(",") : "";
  for (const button of table.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.cell === cell));
    button.tabIndex = button.dataset.cell === (stop ?? (cell || "0,0")) ? 0 : -1;
  }
}

function choose(change) {
  const wanted = { ...chosen(), ...change };
  props.value = wanted;
  mark();
  // Sent with the event: the answer to an earlier choice may put the value back before it is read.
  trigger("look", { chosen: wanted });
}

sort.addEventListener("change", () => choose({ sort: sort.value }));
label.addEventListener("change", () => {
  choose({ label: label.value === "" ? null : Number(label.value), cell: null });
});
table.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-cell]");
  if (!button || button.getAttribute("aria-pressed") === "true") return;
  stop = null;
  choose({ cell: button.dataset.cell.split(",").map(Number), label: null });
});
// Arrows go from cell to cell, as in any grid.
table.addEventListener("keydown", (event) => {
  const at = document.activeElement?.dataset?.cell?.split(",").map(Number);
  const step = {
    ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0],
  }[event.key];
  if (!at || !step) return;
  event.preventDefault();
  const next = table.querySelector(`[data-cell="${at[0] + step[0]},${at[1] + step[1]}"]`);
  if (!next) return;
  stop = next.dataset.cell;
  mark();
  next.focus();
});

watch("value", mark);
// Not as one quoted word: Gradio would take that for the name of an event of the component.
watch(Object.keys({ about: null }), fill);
fill();

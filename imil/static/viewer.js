// The images behind a count. Gradio runs this once a mount, as the body of a function with the
// arguments (element, trigger, props, server, upload, watch). Texts go in as text, never as HTML.

const dialog = element.querySelector("dialog");
const grid = dialog.querySelector(".vgrid");
const large = dialog.querySelector(".vlarge");
const pages = dialog.querySelector(".vpages");
let seen = ""; // the time of the page that is shown
let enlarged = "";
let page = null; // what is shown, whatever the component's value is meanwhile

function line(words, kind) {
  const part = document.createElement("span");
  part.className = kind;
  part.textContent = words;
  return part;
}

function picture(item) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.sample = item.id;
  button.title = item.title;
  const image = document.createElement("img");
  image.src = item.picture;
  image.alt = "";
  const lines = [line(item.said, "p1"), line(item.label, "p2"), line(item.control, "p2")];
  button.append(image, ...lines);
  button.setAttribute("aria-label", [item.title, item.said, item.label, item.control].join(", "));
  return button;
}

function back() {
  large.hidden = true;
  grid.hidden = false;
  pages.hidden = (page?.pages ?? 1) < 2;
}

function fill() {
  const value = props.value;
  if (!value?.time || value.time === seen) return;
  seen = value.time;
  page = value;
  dialog.querySelector("h2").textContent = value.title;
  dialog.querySelector(".span").textContent = value.span;
  dialog.querySelector("[data-page='-1']").disabled = !value.page;
  dialog.querySelector("[data-page='1']").disabled = value.page + 1 >= value.pages;
  grid.replaceChildren(...value.items.map(picture));
  back();
  if (!dialog.open) dialog.showModal();
  grid.scrollTop = 0;
  if (value.open) enlarge(value.open);
}

function enlarge(sample) {
  const item = (page?.items ?? []).find((each) => each.id === sample);
  if (!item) return;
  enlarged = sample;
  grid.hidden = pages.hidden = true;
  large.hidden = false;
  // The small one at once; the large one replaces it when it is there.
  const image = large.querySelector("img");
  image.src = item.picture;
  image.alt = item.title;
  const words = [item.title, item.said, item.label, item.control].filter(Boolean);
  large.querySelector("p").textContent = words.join(" · ");
  trigger("look", { sample });
}

dialog.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (event.target === dialog || button?.matches(".close")) dialog.close();
  else if (button?.matches(".back")) {
    back();
    grid.querySelector(`[data-sample="${CSS.escape(enlarged)}"]`)?.focus();
  } else if (button?.dataset.sample) enlarge(button.dataset.sample);
  else if (button?.dataset.page) {
    trigger("turn", { ask: page.ask, page: page.page + Number(button.dataset.page) });
  }
});

watch("value", fill);
// Not as one quoted word: Gradio would take that for the name of an event of the component.
watch(Object.keys({ large: null }), () => {
  const shown = props.large;
  if (shown?.id === enlarged) large.querySelector("img").src = shown.picture;
});

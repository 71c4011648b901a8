// The queue in the browser. Gradio runs this once a mount, as the body of a function with the
// arguments (element, trigger, props, server, upload, watch). Texts go in as text, never as HTML.

const root = element.querySelector(".filmstrip");
const gallery = root.querySelector(".gal");
const tick = root.querySelector("template");
let focus = null; // the film that arrows move from
let pictures = {}; // by film: as it is, and blacked out where it is masked
let reviews = {}; // by film: what was done with it, as the page told it or a mark since

function film(item) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "th";
  button.dataset.sample = item.id;
  const picture = document.createElement("span");
  picture.className = "pic";
  const image = document.createElement("img");
  image.src = item.picture;
  image.alt = "";
  picture.append(image, tick.content.cloneNode(true));
  const first = document.createElement("span");
  first.className = "p1";
  for (const words of [item.says, item.confidence]) {
    const part = document.createElement("span");
    part.textContent = words;
    first.append(part);
  }
  const second = document.createElement("span");
  second.className = "p2";
  second.textContent = item.label;
  button.append(picture, first, second);
  button.title = item.title;
  return button;
}

function fill() {
  const value = props.value;
  const items = value?.films ?? [];
  gallery.replaceChildren(...items.map(film));
  pictures = Object.fromEntries(
    items.map((item) => [item.id, { plain: item.picture, blackout: item.blackout }]),
  );
  reviews = Object.fromEntries(items.map((item) => [item.id, item.reviewed]));
  root.querySelector(".pages").hidden = !value?.pages;
  root.querySelector(".span").textContent = value?.span ?? "";
  root.querySelector("[data-page='-1']").disabled = !value?.page;
  root.querySelector("[data-page='1']").disabled = !value?.pages || value.page + 1 >= value.pages;
  mark();
}

function mark() {
  const { current = "", reviewed = {}, blackouts = {} } = props.marks ?? {};
  Object.assign(reviews, reviewed);
  for (const [sample, blackout] of Object.entries(blackouts)) {
    if (pictures[sample]) pictures[sample].blackout = blackout;
  }
  for (const button of gallery.children) {
    const sample = button.dataset.sample;
    const review = reviews[sample];
    button.setAttribute("aria-current", String(sample === current));
    button.tabIndex = sample === (focus ?? current) ? 0 : -1;
    const { plain, blackout } = pictures[sample];
    const image = button.querySelector("img");
    const seen = review === "masked" && blackout ? blackout : plain;
    if (image.getAttribute("src") !== seen) image.src = seen;
    if (review) button.dataset.review = review;
    else delete button.dataset.review;
    const words = [...button.querySelectorAll(".p1 span, .p2")].map((part) => part.textContent);
    button.setAttribute("aria-label", [button.title, ...words, review].filter(Boolean).join(", "));
  }
  if (![...gallery.children].some((button) => button.tabIndex === 0) && gallery.firstChild) {
    gallery.firstChild.tabIndex = 0;
  }
  const at = gallery.querySelector("[aria-current=true]");
  if (at) {
    // The gallery scrolls, the page does not.
    const box = at.getBoundingClientRect();
    const outer = gallery.getBoundingClientRect();
    if (box.top < outer.top || box.bottom > outer.bottom) {
      gallery.scrollTop += box.top - outer.top - (outer.height - box.height) / 2;
    }
    if (box.left < outer.left || box.right > outer.right) {
      gallery.scrollLeft += box.left - outer.left - (outer.width - box.width) / 2;
    }
  }
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.sample) {
    focus = null;
    trigger("select", { sample: button.dataset.sample });
    // On a phone the image stands above the queue; elsewhere it is in sight.
    document.querySelector("#painter .stage")?.scrollIntoView({ block: "nearest" });
  } else if (button?.dataset.page) {
    trigger("turn", { page: (props.value?.page ?? 0) + Number(button.dataset.page) });
  }
});

gallery.addEventListener("keydown", (event) => {
  const films = [...gallery.children];
  const at = films.indexOf(document.activeElement);
  const columns = Math.max(1, getComputedStyle(gallery).gridTemplateColumns.split(" ").length);
  const step = {
    ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns,
    Home: -at, End: films.length - 1 - at,
  }[event.key];
  if (step === undefined || at < 0) return;
  event.preventDefault();
  const next = films[Math.min(films.length - 1, Math.max(0, at + step))];
  focus = next.dataset.sample;
  films.forEach((button) => (button.tabIndex = button === next ? 0 : -1));
  next.focus();
});

watch("value", fill);
// Not as one quoted word: Gradio would take that for the name of an event of the component.
watch(Object.keys({ marks: null }), mark);
fill();

// The app on a stage: ?present=1. Gradio runs this once a mount, as the body of a function with the
// arguments (element, trigger, props, server, upload, watch). Texts go in as text, never as HTML.

const IDLE = 90_000; // ms without a hand on the screen until it is asked whether anybody is there
const ASKED = 15; // s to answer
const bar = element.querySelector(".stagebar");
const code = element.querySelector("dialog.qrcode");
const idle = element.querySelector("dialog.idle");

if (new URL(location.href).searchParams.get("present") === "1") {
  document.body.classList.add("present");
  bar.hidden = false;
  present();
}

function show() {
  if (!props.value) return;
  code.querySelector("img").src = props.value.picture;
  code.querySelector(".link").textContent = props.value.link;
  if (!code.open) code.showModal();
}

function present() {
  let touched = Date.now();
  let left = ASKED;
  const touch = () => { touched = Date.now(); };
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
    addEventListener(kind, touch, { passive: true, capture: true });
  }
  // Whoever watches a training is there, though no hand moves.
  const trains = () => document.querySelector(".jobline")?.hidden === false;
  const timer = setInterval(() => {
    if (!element.isConnected) return clearInterval(timer);
    if (trains() || Date.now() - touched < IDLE) {
      left = ASKED;
      return;
    }
    if (!idle.open) idle.showModal();
    idle.querySelector("[data-left]").textContent = bar.dataset.leftWord.replace("{n}", String(left));
    if (left <= 0) fresh();
    left -= 1;
  }, 1000);

  function fresh() {
    clearInterval(timer);
    dispatchEvent(new CustomEvent("imil-fresh"));
  }

  element.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act === "qr") trigger("qr", { page: location.origin + location.pathname });
    if (act === "close" || event.target.matches("dialog")) event.target.closest("dialog").close();
    if (act === "stay") idle.close();
    if (act === "fresh") fresh();
  });
  for (const dialog of [code, idle]) {
    // The painter's keys are not meant while one reads.
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
  }
  watch("value", show);
}

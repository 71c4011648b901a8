// The similar images in the browser, in a dialog. Gradio runs this once a mount, as the body of a
// function with the arguments (element, trigger, props, server, upload, watch). Images for another
// film or another stroke than the last are dropped. The HTML is made by the server, which escapes it.

const dialog = element.querySelector("dialog");
const said = element.querySelector(".copied");
let seconds = 0; // in sight
let since = null;

const ticked = () => [...dialog.querySelectorAll("input:checked")].map((box) => box.dataset.sample);

function count() {
  const button = dialog.querySelector("[data-act=confirm]");
  if (!button) return;
  const { length } = ticked();
  const { none, one, many } = button.dataset;
  button.textContent = length > 1 ? many.replace("{n}", length) : length ? one : none;
  button.disabled = !length;
}

function watchTime() {
  if (since !== null) seconds += (performance.now() - since) / 1000;
  since = dialog.open && !document.hidden ? performance.now() : null;
}

function show() {
  const value = props.value;
  said.textContent = value?.said ?? "";
  if (value?.trouble) {
    dialog.querySelector(".trouble").innerHTML = value.trouble;
    return count();
  }
  if (!value?.html) return dialog.close();
  const now = document.querySelector("#painter .painter")?.dataset;
  if (value.sample !== now?.ready || value.stroke !== now.stroke) return;
  dialog.innerHTML = value.html;
  seconds = 0;
  since = null;
  count();
  if (!dialog.open) dialog.showModal();
  watchTime();
}

dialog.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  // A click beside it lands on the dialog itself.
  if (act === "close" || event.target === dialog) dialog.close();
  if (act !== "confirm") return;
  watchTime();
  const { sample, stroke } = props.value;
  event.target.disabled = true; // a double click counts once
  dialog.querySelector(".trouble").replaceChildren();
  trigger("confirm", { targets: ticked(), sample, stroke, seconds: Math.round(10 * seconds) / 10 });
});
dialog.addEventListener("change", count);
dialog.addEventListener("close", watchTime);
// Its keys are its own: the painter's would act on the film behind it.
dialog.addEventListener("keydown", (event) => event.stopPropagation());

function onSight() {
  if (!element.isConnected) return document.removeEventListener("visibilitychange", onSight);
  watchTime();
}
document.addEventListener("visibilitychange", onSight);

function onStroke() {
  if (!element.isConnected) return document.removeEventListener("imil-stroke", onStroke);
  said.textContent = ""; // what was copied before was another mask
}
document.addEventListener("imil-stroke", onStroke);

watch("value", show);

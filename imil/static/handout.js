// A file that has just been made is downloaded: one press, one file.

let seen = "";
watch("value", () => {
  const file = props.value;
  if (!file?.url || file.time === seen) return;
  seen = file.time;
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.name;
  document.body.append(link);
  link.click();
  link.remove();
});

// When the page loads: the study of the link, else the one to come back to. The link's study is
// taken out of the address, so that the next visitor's page and a picture of it don't show it.
(study, ...rest) => {
  const address = new URL(location.href);
  const asked = address.searchParams.get("study");
  if (!asked || !/^[A-Za-z0-9]{1,64}$/.test(asked)) return [study, ...rest];
  address.searchParams.delete("study");
  history.replaceState(history.state, "", address);
  try {
    const own = JSON.parse(localStorage.getItem("imil-studies") ?? "[]");
    if (!own.some((one) => one.id === asked)) {
      const lent = JSON.parse(localStorage.getItem("imil-lent") ?? "[]");
      localStorage.setItem("imil-lent", JSON.stringify([...new Set([asked, ...lent])].slice(0, 200)));
    }
  } catch { /* forbidden or full: the study opens without */ }
  return [asked, ...rest];
}

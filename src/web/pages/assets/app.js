// Keeps a page up to date: the server says when something was written, and the page is read again. What a person is
// about to press does not move: while a finger or the focus is at work, the update waits. Everything works without it.
(() => {
  "use strict";
  let busyUntil = 0, isDue = false, isReading = false;
  const busy = () => { busyUntil = Date.now() + 1200; };
  for (const kind of ["pointerdown", "pointermove", "keydown", "touchmove", "wheel"]) addEventListener(kind, busy, { passive: true });
  const isTyping = () => /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");

  const merge = (old, next) => {
    const known = new Map([...old.children].filter((one) => one.id).map((one) => [one.id, one]));
    let place = old.firstElementChild;
    for (const one of [...next.children]) {
      const same = known.get(one.id);
      known.delete(one.id);
      if (!same) { old.insertBefore(one, place); continue; }
      // A form's key is new each time and means the same.
      const bare = (html) => html.replace(/name="key" value="\w*"/g, "");
      let now = same;
      if (bare(same.outerHTML) !== bare(one.outerHTML)) {
        // What is picked stays picked, unless the order has changed.
        for (const box of same.querySelectorAll("input[type=checkbox]:checked")) {
          const next = one.querySelector(`#${CSS.escape(box.id)}`);
          if (next && next.value === box.value) next.checked = true;
        }
        const focus = same.contains(document.activeElement) ? document.activeElement.id : "";
        same.replaceWith(one);
        now = one;
        if (focus) document.getElementById(focus)?.focus();
        if (place === same) place = one;
      }
      if (now === place) place = place.nextElementSibling;
      else old.insertBefore(now, place);
    }
    while (place) { const after = place.nextElementSibling; place.remove(); place = after; }
  };

  const read = async () => {
    if (isReading || document.hidden) return;
    isReading = true;
    isDue = false;
    try {
      const answer = await fetch(location.href, { headers: { "x-live": "1" }, redirect: "error" });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (Date.now() < busyUntil || isTyping()) { isDue = true; return; }
      for (const id of ["live", "nav", "held"]) {
        const [old, one] = [document.getElementById(id), next.getElementById(id)];
        if (old && one && old.innerHTML !== one.innerHTML) old.innerHTML = one.innerHTML;
      }
      for (const old of document.querySelectorAll("[data-live]")) {
        const one = next.getElementById(old.id);
        if (one) merge(old, one);
      }
    } catch { isDue = true; } finally { isReading = false; }
  };
  setInterval(() => { if (isDue && Date.now() >= busyUntil && !isTyping()) read(); }, 400);
  addEventListener("visibilitychange", () => { if (!document.hidden) isDue = true; });

  if (!document.querySelector("[data-live]")) return;
  const said = document.getElementById("said"), live = document.getElementById("live");
  const stream = new EventSource("/events");
  stream.addEventListener("changed", () => { isDue = true; });
  stream.addEventListener("ready", () => {
    if (live?.classList.contains("lost")) { live.classList.remove("lost"); said.textContent = said.dataset.back; isDue = true; }
  });
  stream.addEventListener("error", () => { live?.classList.add("lost"); said.textContent = said.dataset.lost; });
  addEventListener("pagehide", () => stream.close());
})();

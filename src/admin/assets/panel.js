// What only makes better what works without it.
"use strict";
(() => {
  // The words come with the script's tag, in the visitor's language.
  const words = document.currentScript.dataset;
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const read = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  // In milliseconds: when a list that is being counted is looked at again, how often one that stands open is, and for how long after its
  // reader did something: a page that nobody sits at does not keep them signed in.
  const RECOUNT = 500, WATCH = 15000, AWAY = 600000;

  // "/" or Ctrl-K goes to the search.
  document.addEventListener("keydown", (event) => {
    const find = document.getElementById("find");
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const asks = (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) ||
      (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey));
    if (find && asks) {
      event.preventDefault();
      find.focus();
      find.select();
    }
    if (event.key === "Escape") {
      const open = all("details.drop[open], details.burger[open]").pop();
      if (open) {
        open.open = false;
        open.querySelector("summary").focus();
      }
    }
  });

  // A menu closes when something else is clicked, or another is opened.
  document.addEventListener("click", (event) => {
    all("details.drop[open], details.burger[open]").forEach((one) => {
      if (!one.contains(event.target)) one.open = false;
    });
  });

  // Where one is in the menu is in sight.
  const side = document.querySelector(".side"), current = side && side.querySelector("[aria-current]");
  if (current) side.scrollTop = current.offsetTop - side.offsetTop - side.clientHeight / 2;

  // What is wrong is where the reader is.
  const toProblem = (root) => {
    const alert = root.querySelector("[data-focus]");
    if (alert) alert.focus();
    return Boolean(alert);
  };

  // How much waits: counted once a page is there, if that was not done lately.
  const waits = document.querySelector("[data-waiting]");
  if (waits && waits.dataset.waiting) {
    fetch(waits.dataset.waiting, { credentials: "same-origin" }).then((answer) => (answer.ok ? answer.json() : null)).then((found) => {
      if (!found) return;
      waits.querySelector(".count").textContent = found.count;
      waits.toggleAttribute("data-none", !found.count);
    }).catch(() => {});
  }

  // Lists: all of a page at once, and how many there are.
  const selects = (form) => {
    const boxes = all("input[name=id]", form);
    const every = form.querySelector("[data-all]");
    const picked = form.querySelector("[data-picked]");
    if (!every) return;
    every.hidden = false;
    const count = () => {
      const some = boxes.filter((box) => box.checked).length;
      every.checked = some === boxes.length;
      every.indeterminate = some > 0 && some < boxes.length;
      if (picked) picked.textContent = some ? words.selected.replace("{n}", some) : "";
    };
    every.addEventListener("change", () => {
      boxes.forEach((box) => { box.checked = every.checked; });
      count();
    });
    boxes.forEach((box) => box.addEventListener("change", count));
    count();
  };

  // References: suggestions while typing.
  const suggest = (combo) => {
    const hidden = combo.querySelector("input[type=hidden]");
    const text = combo.querySelector("input[type=text]");
    if (!text || combo.dataset.ready) return;
    combo.dataset.ready = "1";
    const list = document.createElement("ul");
    list.className = "options";
    list.id = text.id + "-options";
    list.setAttribute("role", "listbox");
    list.hidden = true;
    combo.append(list);
    text.setAttribute("role", "combobox");
    text.setAttribute("aria-autocomplete", "list");
    text.setAttribute("aria-controls", list.id);
    text.setAttribute("aria-expanded", "false");
    let at = -1, timer = 0, last = 0;
    const close = () => {
      list.hidden = true;
      at = -1;
      text.setAttribute("aria-expanded", "false");
      text.removeAttribute("aria-activedescendant");
    };
    const take = (option) => {
      hidden.value = option.dataset.id;
      text.value = option.textContent;
      close();
    };
    const mark = (to) => {
      const options = all("li[data-id]", list);
      if (!options.length) return;
      at = (to + options.length) % options.length;
      options.forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
      text.setAttribute("aria-activedescendant", options[at].id);
      options[at].scrollIntoView({ block: "nearest" });
    };
    const look = async () => {
      const mine = ++last;
      const answer = await fetch(combo.dataset.lookup + "?q=" + encodeURIComponent(text.value.trim()), { credentials: "same-origin" }).catch(() => null);
      if (!answer || !answer.ok || mine !== last || document.activeElement !== text) return;
      const rows = await answer.json();
      list.replaceChildren(...rows.map((row, index) => {
        const option = document.createElement("li");
        option.id = list.id + "-" + index;
        option.dataset.id = row.id;
        option.setAttribute("role", "option");
        option.textContent = row.label;
        return option;
      }));
      if (!rows.length) {
        const none = document.createElement("li");
        none.className = "quietly";
        none.textContent = words.nothing;
        list.append(none);
      }
      at = -1;
      list.hidden = false;
      text.setAttribute("aria-expanded", "true");
    };
    text.addEventListener("input", () => {
      hidden.value = "";
      clearTimeout(timer);
      timer = setTimeout(look, 150);
    });
    text.addEventListener("focus", look);
    text.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) look(); else mark(at + (event.key === "ArrowDown" ? 1 : -1));
      } else if (event.key === "Enter" && !list.hidden && at >= 0) {
        event.preventDefault();
        take(all("li[data-id]", list)[at]);
      } else if (event.key === "Escape" && !list.hidden) {
        event.stopPropagation();
        close();
      }
    });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target.closest("li[data-id]");
      if (option) take(option);
    });
    text.addEventListener("blur", close);
  };

  // Rows: one more, and one less.
  const grows = (rows) => {
    const body = rows.querySelector("tbody");
    const blank = rows.querySelector("template");
    const count = rows.querySelector("input[type=hidden]");
    const add = rows.querySelector("[data-add]");
    rows.classList.add("live");
    const hide = (box) => { box.closest("tr").hidden = box.checked; };
    all(".out input", rows).forEach(hide);
    rows.addEventListener("change", (event) => { if (event.target.matches(".out input")) hide(event.target); });
    add.hidden = false;
    add.addEventListener("click", () => {
      const holder = document.createElement("tbody");
      holder.innerHTML = blank.innerHTML.replaceAll("__row__", count.value);
      count.value = Number(count.value) + 1;
      const row = holder.firstElementChild;
      body.append(row);
      all(".combo", row).forEach(suggest);
      row.querySelector("input, select, textarea").focus();
    });
  };

  // What was typed is not lost by a slip.
  const guard = (form) => {
    let sent = false;
    form.addEventListener("input", () => form.setAttribute("data-dirty", ""));
    form.addEventListener("submit", () => { sent = true; });
    window.addEventListener("beforeunload", (event) => { if (form.isConnected && form.hasAttribute("data-dirty") && !sent) event.preventDefault(); });
  };

  // A long list is counted while its rows are looked at: the number comes when it is known.
  const recount = async (tries) => {
    const here = all("main [data-count]"), answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
    const now = all("[data-count]", await read(answer));
    if (now.some((one) => one.hasAttribute("data-counting"))) return tries && setTimeout(recount, RECOUNT, tries - 1);
    if (now.length === here.length) here.forEach((one, at) => one.replaceWith(now[at]));
  };

  // Figures of long lists that are not as they are now: they come in the place of those that are shown.
  const glance = document.querySelector("[data-behind]");
  if (glance) {
    fetch(glance.dataset.behind, { credentials: "same-origin" }).then(async (answer) => {
      const now = answer.ok && !answer.redirected && (await read(answer)).querySelector("#glance");
      if (!now) return;
      const at = glance.contains(document.activeElement) && document.activeElement.getAttribute("href");
      glance.replaceWith(now);
      const again = at && all("a[href]", now).find((link) => link.getAttribute("href") === at);
      if (again) again.focus({ preventScroll: true });
    }).catch(() => {});
  }

  const enhance = (root) => {
    if (root.querySelector("[data-counting]")) setTimeout(recount, RECOUNT, 5);
    all("[data-list]", root).forEach(selects);
    all(".combo", root).forEach(suggest);
    all("[data-rows]", root).forEach(grows);
    all("form[data-guard]", root).forEach(guard);
    return toProblem(root);
  };
  if (enhance(document)) all("form[data-guard]").forEach((form) => form.setAttribute("data-dirty", ""));

  // A record is changed without leaving its list: its form comes beside it.
  const dialog = document.createElement("dialog");
  let editing = null;
  const place = () => all("a[data-quick]").find((link) => link.href === editing);
  const leave = () => {
    const form = dialog.querySelector("form[data-dirty]");
    if (!form || window.confirm(words.leave)) dialog.close();
  };
  // The list as it is now, where it was, with what was ticked and open.
  const renew = async () => {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    const now = answer.ok && !answer.redirected && await read(answer), here = document.querySelector("main");
    if (!now || !now.querySelector("h1")) return location.reload();
    const before = all(".scroll", here).map((box) => [box.scrollLeft, box.scrollTop]);
    const ticked = all("input[name=id]:checked", here).map((box) => box.value), open = all("details", here).map((one) => one.open);
    here.replaceChildren(...now.childNodes);
    news.replaceChildren();
    all(".scroll", here).forEach((box, at) => { if (before[at]) box.scrollTo(...before[at]); });
    all("input[name=id]", here).forEach((box) => { box.checked = ticked.includes(box.value); });
    if (all("details", here).length === open.length) all("details", here).forEach((one, at) => { one.open = open[at]; });
    enhance(here);
  };
  const show = (page) => {
    if (!page || !page.querySelector("form.form")) return false;
    const title = page.querySelector("h1"), bar = document.createElement("header"), close = document.createElement("button");
    title.id = "beside";
    close.type = "button";
    close.className = "quiet";
    close.textContent = words.close;
    close.addEventListener("click", leave);
    bar.append(title, close);
    all(".crumbs, .head", page).forEach((one) => one.remove());
    all("button[name=then][value=another]", page).forEach((one) => one.remove());
    const rows = all("a[data-quick]"), next = rows[rows.indexOf(place()) + 1];
    all("button[name=then]", page).forEach((one) => { if (next) one.textContent = words.next; else one.remove(); });
    dialog.replaceChildren(bar, ...page.childNodes);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    const asked = dialog.querySelector("form.form").querySelector("input:not([type=hidden]), select, textarea");
    if (!enhance(dialog) && asked) asked.focus();
    return true;
  };
  const edit = async (url) => {
    editing = url;
    dialog.setAttribute("aria-busy", "true");
    const answer = await fetch(url, { credentials: "same-origin" }).catch(() => null);
    dialog.removeAttribute("aria-busy");
    if (!answer || !answer.ok || answer.redirected || !show(await read(answer))) location.assign(url);
  };
  if (dialog.showModal) {
    dialog.className = "beside-list";
    dialog.setAttribute("aria-labelledby", "beside");
    document.body.append(dialog);
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-quick]");
      if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
        event.preventDefault();
        edit(link.href);
      }
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) return leave();
      if (event.target.closest("a.cancel")) {
        event.preventDefault();
        leave();
      }
    });
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      leave();
    });
    dialog.addEventListener("close", () => {
      dialog.replaceChildren();
      const link = place();
      if (link) link.focus();
    });
    dialog.addEventListener("submit", async (event) => {
      const form = event.target, by = event.submitter;
      // Whoever leaves to make what is referred to, leaves the list.
      if (by && by.name === "detour") return;
      event.preventDefault();
      if (dialog.hasAttribute("aria-busy")) return;
      dialog.setAttribute("aria-busy", "true");
      const body = new URLSearchParams(new FormData(form, by));
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, credentials: "same-origin", redirect: "manual" }).catch(() => null);
      dialog.removeAttribute("aria-busy");
      if (!answer) return window.alert(words.failed);
      if (answer.type !== "opaqueredirect") {
        if (!show(await read(answer))) location.assign(editing);
        return;
      }
      const rows = all("a[data-quick]"), next = by && by.name === "then" && rows[rows.indexOf(place()) + 1];
      const url = next && next.href;
      form.removeAttribute("data-dirty");
      await renew();
      if (url) edit(url); else dialog.close();
    });
  }

  // Others write as well: a list that stands open says so when it has changed. It is shown anew by a click: nothing moves under the hand.
  const news = document.createElement("div");
  news.className = "news";
  news.setAttribute("role", "status");
  document.body.append(news);
  const rowsOf = (root) => all(".listing tbody :is(td, th)", root).map((cell) => cell.textContent).join("\n");
  const countOf = (root) => all("[data-etag] [data-count]", root).map((one) => one.textContent).join();
  let touched = Date.now(), watching = 0;
  const watch = async () => {
    clearTimeout(watching);
    watching = setTimeout(watch, WATCH);
    const list = document.querySelector("main [data-etag]"), at = list && list.dataset.etag;
    if (!list || document.hidden || dialog.open || news.firstChild || Date.now() - touched > AWAY) return;
    const headers = { "If-None-Match": at };
    const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store", headers }).catch(() => null);
    // A page that is not there any more leads to the last one.
    if (!answer || !answer.ok || new URL(answer.url).pathname !== location.pathname) return;
    const now = await read(answer), fresh = now.querySelector("[data-etag]");
    if (!fresh || !list.isConnected || list.dataset.etag !== at) return;
    if (rowsOf(now) === rowsOf(document)) {
      // While it is counted, it is not known whether there is any news.
      if (now.querySelector("[data-counting]")) return;
      // What is not on this page may have changed: that is no news here.
      list.dataset.etag = fresh.dataset.etag;
      if (countOf(now) === countOf(document)) return;
    }
    const show = document.createElement("button");
    show.type = "button";
    show.textContent = words.show;
    show.addEventListener("click", async () => {
      await renew().catch(() => window.alert(words.failed));
      document.querySelector("main").focus();
    });
    news.replaceChildren(words.changed + " ", show);
  };
  if (document.querySelector("main [data-etag]")) {
    ["pointerdown", "keydown", "scroll"].forEach((name) => document.addEventListener(name, () => { touched = Date.now(); }, { passive: true }));
    const back = () => {
      touched = Date.now();
      watch();
    };
    document.addEventListener("visibilitychange", back);
    window.addEventListener("focus", back);
    watching = setTimeout(watch, WATCH);
  }

  // One click is one request.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  });
})();

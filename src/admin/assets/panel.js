// What only makes better what works without it.
"use strict";
(() => {
  // The words come with the script's tag, in the visitor's language.
  const words = document.currentScript.dataset;
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

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
  const alert = document.querySelector("[data-focus]");
  if (alert) alert.focus();

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
  all("[data-list]").forEach((form) => {
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
  });

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
  all(".combo").forEach(suggest);

  // Rows: one more, and one less.
  all("[data-rows]").forEach((rows) => {
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
  });

  // What was typed is not lost by a slip.
  all("form[data-guard]").forEach((form) => {
    let changed = Boolean(alert) || form.hasAttribute("data-dirty"), sent = false;
    form.addEventListener("input", () => { changed = true; });
    form.addEventListener("submit", () => { sent = true; });
    window.addEventListener("beforeunload", (event) => { if (changed && !sent) event.preventDefault(); });
  });

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

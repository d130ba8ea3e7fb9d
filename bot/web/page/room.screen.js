// The big screen of a room: how to join, who is there, what waits, and what the host may do.

import { showCode } from "./qr.js";
import { requestInRoom } from "./requests.js";
import { SENTENCES } from "./sentences.js";

const $ = (id) => document.getElementById(id);

export class Screen {
  // `token` returns the host's secret.
  constructor(code, token) {
    this.code = code;
    this.token = token;
    document.body.classList.add("kiosk");
    $("host").hidden = $("invitation").hidden = false;
    const page = new URL(`./?room=${code}`, location.href);
    const address = `${page.host}${page.pathname}?room`.replace(/[/?]/g, "$&\u2060"); // unbroken
    $("address").textContent = SENTENCES.joinAt(address);
    $("letters").textContent = code;
    for (const button of $("host").querySelectorAll("[data-action]")) {
      button.addEventListener("click", () => this.act(button.dataset.action));
    }
    showCode($("picture"), $("code-note"), page);
  }

  show({ people, contributions }) {
    $("people").textContent = SENTENCES.people(people, contributions.length);
    const list = $("waiting");
    const shown = JSON.stringify(contributions);
    if (shown === list.dataset.shown) return;
    list.dataset.shown = shown;
    const focused = document.activeElement?.dataset.number;
    list.replaceChildren(...contributions.map((each) => this.gift(each)));
    if (!focused) return;
    const same = list.querySelector(`[data-number="${focused}"]`);
    (same ?? list.querySelector("button") ?? $("host").querySelector("summary")).focus();
  }

  gift({ number, text }) {
    const item = document.createElement("li");
    const words = Object.assign(document.createElement("span"), { textContent: text });
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.textContent = "×";
    button.dataset.number = number;
    button.setAttribute("aria-label", SENTENCES.removeGift(text));
    button.addEventListener("click", () => this.act("remove", number));
    item.append(words, button);
    return item;
  }

  async act(action, number = 0) {
    try {
      await requestInRoom(this.code, "actions", { host: this.token(), action, number });
    } catch (error) {
      $("status").textContent = error.status === undefined ? SENTENCES.roomGone : error.message;
    }
  }

  end() {
    $("host").hidden = $("invitation").hidden = true;
  }
}

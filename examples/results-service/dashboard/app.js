// The dashboard: who is there, what they see, and what they are told.

import { Ended, Refused, Session } from "./session.js";
import * as view from "./view.js";

const find = (id) => document.getElementById(id);

const address = new URL(location.href);
const isAnswer = address.pathname === "/callback";

let exchanges = true;
const waiting = [];
const session = new Session((...arrow) => {
  // Which of the two flows it is, the first answer tells.
  waiting.push(arrow);
  if (session.providerName) {
    tellAll();
  }
});

function tellAll() {
  exchanges = session.exchanges;
  for (const [arrow, status, what] of waiting.splice(0)) {
    // On the way back the page asks once more what the flow asks once.
    if (arrow === "endpoints" && isAnswer) {
      continue;
    }
    view.tell(exchanges, arrow, status, what);
  }
}

/** Whatever is asked for ends in a page that says how it went. */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    const ended = error instanceof Ended;
    const known = ended || error instanceof Refused;
    view.show("welcome");
    view.say("notice", ended ? "Your session has ended. Please sign in again."
      : known ? error.message : "That did not work. Please try again.", "bad");
    if (!known) {
      console.error(error);
    }
  }
  document.body.dataset.ready = String(Number(document.body.dataset.ready ?? 0) + 1);
}

async function open(added = false) {
  const me = await (await session.call("GET", "/api/v1/me")).json();
  const all = await (await session.call("GET", "/api/v1/results")).json();
  view.person(me);
  view.results(all, added);
  view.show("results", "add", "who");
}

find("sign-in").addEventListener("click", () => attempt(async () => {
  const url = await session.begin();
  view.tell(exchanges, "leave", "→");
  location.assign(url);
}));

find("sign-out").addEventListener("click", () => attempt(async () => {
  const [url, fields] = await session.end();
  view.forgetLog();
  view.leave(url, fields);
}));

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const { value, ...rest } = Object.fromEntries(new FormData(find("form")));
    const response = await session.call("POST", "/api/v1/results", { ...rest, value: Number(value) });
    if (response.ok) {
      await open(true);
      view.say("outcome", "The result is there for everybody.", "good");
    } else {
      const { error } = await response.json();
      view.say("outcome", response.status === 403
        ? `The API refused it: 403 ${error}. Your token does not name the role curator.`
        : `The API refused it: ${response.status} ${error}.`, "bad");
    }
  });
});

await attempt(async () => {
  view.log();
  if (isAnswer) {
    // The code is used once; the address that had it is gone from here on.
    history.replaceState(null, "", "/");
  } else {
    view.forgetLog();
    view.log();
  }
  await session.discover();
  tellAll();
  view.provider(session.providerName, exchanges);
  if (isAnswer) {
    await session.finish(address);
    await open();
  } else if (await session.resume()) {
    await open();
  } else {
    view.show("welcome");
  }
});

// SPDX-License-Identifier: Apache-2.0

// Reads one target file with @sigstore/tuf, once or again and again: a real client
// for the end-to-end tests. It says "ok" or what went wrong, a line for each run, and
// ends with 1 when the last one failed. Its one argument is a JSON object with the
// options of initTUF, and with target, runs, wait, and pause: a time before each run,
// around so many milliseconds.
"use strict";

const { initTUF } = require("@sigstore/tuf");
const fs = require("fs");

const { target = "trusted_root.json", runs = 1, wait = false, pause = 0, ...options } = JSON.parse(process.argv[2]);

async function main() {
  if (wait) {
    console.log("ready");
    fs.readFileSync(0); // until it ends
  }
  for (let i = 0; i < runs; i++) {
    if (pause > 0) await new Promise((wake) => setTimeout(wake, Math.random() * 2 * pause));
    try {
      const client = await initTUF({ retry: { retries: 0 }, ...options });
      JSON.parse(await client.getTarget(target));
      console.log("ok");
      process.exitCode = 0;
    } catch (err) {
      let text = String(err.message ?? err);
      if (err.cause) text += ": " + err.cause;
      console.log(text.replace(/\s+/g, " "));
      process.exitCode = 1;
    }
  }
}

main();

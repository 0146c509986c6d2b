#!/usr/bin/env node
// Starts the binary of this platform, which npm installed beside this package, and becomes it as far as Node allows:
// its input and output are ours, its signals come through us, its end is our end. Nothing is printed here on stdout,
// which belongs to the protocol.
"use strict";

const { spawn } = require("node:child_process");

const platform = `${process.platform}-${process.arch}`;
const name = `@pdfco-mcp/pdfco-${platform}`;
const file = process.platform === "win32" ? "pdfco.exe" : "pdfco";

let binary;
try {
  binary = require.resolve(`${name}/bin/${file}`);
} catch {
  const known = Object.keys(require("../package.json").optionalDependencies);
  console.error(
    known.includes(name)
      ? `pdfco: the package ${name} is missing. Install again without --omit=optional, and with node_modules of this machine.`
      : `pdfco: there is no binary for ${platform}. Build one with: cargo install pdfco`,
  );
  process.exit(127);
}

const child = spawn(binary, process.argv.slice(2), { stdio: "inherit", windowsHide: true });

// Ctrl-C and its like reach the whole group at a terminal, but a client that ends a server signals this process alone.
// A second handler-less signal would end us before the child; so every one is handed on, and we wait.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) {
  process.on(signal, () => child.kill(signal));
}

child.on("error", (error) => {
  console.error(`pdfco: ${binary} cannot be started: ${error.message}`);
  process.exit(126);
});

child.on("exit", (code, signal) => {
  if (signal === null) {
    process.exit(code);
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});

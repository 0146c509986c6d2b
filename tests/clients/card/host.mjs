// The host's side, bundled for the browser: a sandboxed frame and the official bridge to it.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

window.openCard = async (html, hostContext) => {
  document.body.replaceChildren();
  document.body.style.background = hostContext.theme === "dark" ? "#1c1917" : "#ffffff";
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.style.cssText = "width: 100%; max-width: 640px; height: 500px; border: 0";
  frame.title = "card";
  document.body.append(frame);
  window.heights = [];
  const bridge = new AppBridge(null, { name: "test host", version: "1" }, { serverTools: {}, openLinks: {} }, { hostContext });
  bridge.oncalltool = async (params) => {
    const response = await fetch("/call", { method: "POST", body: JSON.stringify(params) });
    return response.json();
  };
  bridge.onsizechange = ({ height }) => {
    window.heights.push(height);
    frame.style.height = `${height}px`;
  };
  const ready = new Promise((resolve) => { bridge.oninitialized = resolve; });
  const transport = new PostMessageTransport(frame.contentWindow, frame.contentWindow);
  await bridge.connect(transport);
  frame.srcdoc = html;
  await ready;
  window.bridge = bridge;
};

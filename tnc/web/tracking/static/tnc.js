// Tracking without a redirect: <script async src="https://go.example/tnc.js" data-campaign="summer"></script>
// Records the visit, puts its click id into links, tells of conversions. The page waits for nothing of it.
// With data-check it also tells of browsers that are driven, of links that nobody sees, of clicks in no time.
"use strict";
(() => {
  const script = document.currentScript;
  if (!script) return;
  const base = new URL(script.src).origin;
  const { campaign, consent } = script.dataset;
  let click = new URLSearchParams(location.search).get("cid");

  const visit = async () => {
    if (click || !campaign) return; // the visitor came through a tracking link, or there is nothing to record
    const said = new URLSearchParams(location.search);
    if (document.referrer) said.set("tnc_referrer", document.referrer);
    if (consent) said.set("tnc_consent", consent);
    const path = campaign.split("/").map(encodeURIComponent).join("/");
    const answer = await fetch(`${base}/tnc.js/${path}?${said}`, { credentials: "include", keepalive: true });
    if (answer.ok) click = (await answer.json()).click_id;
  };

  const fill = (link) => {
    const href = link?.getAttribute("href");
    if (!href || !click) return;
    const named = href.replace(/\{click_id\}|%7Bclick_id%7D/gi, encodeURIComponent(click));
    const url = new URL(named, document.baseURI);
    if (url.origin === base && /^\/click(\/\d+)?$/.test(url.pathname)) url.searchParams.set("cid", click);
    if (url.href !== link.href) link.href = url.href;
  };
  const fillAll = () => document.querySelectorAll("a[href]").forEach(fill);
  for (const event of ["click", "auxclick"]) // links that were made later
    document.addEventListener(event, (it) => fill(it.target.closest?.("a[href]")), true);

  const known = visit().catch(() => {}).then(() => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", fillAll);
    else fillAll();
  });

  // With data-check: what only the page can see of a visitor.
  const sign = (what) => known.then(() => {
    const about = `${base}/-/sign/${what}?cid=${encodeURIComponent(click ?? "")}`;
    if (click) fetch(about, { mode: "no-cors", credentials: "include", keepalive: true }).catch(() => {});
  });
  const trap = () => {
    const link = document.createElement("a"); // nobody sees it, hears it or comes to it by the keyboard
    Object.assign(link, { href: `${base}/-/sign/link?cid=${encodeURIComponent(click)}`, rel: "nofollow", tabIndex: -1 });
    link.setAttribute("aria-hidden", "true");
    link.style.cssText = "position:absolute;left:-9999px";
    link.textContent = "more";
    document.body.append(link);
  };
  if ("check" in script.dataset) {
    const seen = performance.now();
    if (navigator.webdriver) sign("webdriver");
    document.addEventListener("click", (it) => {
      if (it.target.closest?.("a[href]") && performance.now() - seen < 800) sign("fast");
    }, true);
    known.then(() => {
      if (!click) return;
      if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", trap);
      else trap();
    });
  }

  // tncConversion({ payout: 12.5, currency: "USD", txid: "A-1" }), with the names of a postback
  window.tncConversion = (said = {}) =>
    known.then(() => {
      const about = new URLSearchParams(said);
      if (click && !about.has("cid")) about.set("cid", click);
      new Image().src = `${base}/conversion.gif?${about}`;
    });
})();

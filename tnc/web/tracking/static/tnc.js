// Tracking without a redirect: <script async src="https://go.example/tnc.js" data-campaign="summer"></script>
// Records the visit, adds its click id to links, reports conversions. It does not block the page.
// With data-check it also reports automated browsers, clicks on a hidden link, and clicks within 0.8 seconds.
// If a tag manager strips data- attributes: tnc.js?campaign=summer&consent=granted&check=1
"use strict";
(() => {
  const script = document.currentScript ?? document.querySelector('script[src*="/tnc.js"]');
  if (!script) return console.warn("tnc.js: there is no <script src> of it in the page, so its domain is unknown.");
  const address = new URL(script.src);
  const base = address.origin;
  const option = (name) => script.dataset[name] ?? address.searchParams.get(name);
  const campaign = option("campaign"), consent = option("consent");
  let click = new URLSearchParams(location.search).get("cid");
  if (!click && !campaign)
    console.warn("tnc.js: nothing is recorded. Write data-campaign=\"...\" or tnc.js?campaign=... into the script tag.");

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
    let url;
    try {
      url = new URL(named, document.baseURI);
    } catch {
      return; // an invalid URL; the other links of the page get their click id
    }
    const ours = url.origin === base && /^\/click(\/\d+)?$/.test(url.pathname);
    if (ours) url.searchParams.set("cid", click);
    // By attribute: the href of a link inside an SVG is no text.
    if (ours || named !== href) link.setAttribute("href", url.href);
  };
  const fillAll = () => document.querySelectorAll("a[href]").forEach(fill);
  for (const event of ["click", "auxclick"]) // links that were added later
    document.addEventListener(event, (it) => fill(it.target.closest?.("a[href]")), true);

  const known = visit().catch(() => {}).then(() => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", fillAll);
    else fillAll();
  });

  // With data-check: signs of bots that only the page can see.
  const sign = (what) => known.then(() => {
    const about = `${base}/-/sign/${what}?cid=${encodeURIComponent(click ?? "")}`;
    if (click) fetch(about, { mode: "no-cors", credentials: "include", keepalive: true }).catch(() => {});
  });
  const trap = () => {
    const link = document.createElement("a"); // people cannot see it, hear it or reach it by keyboard
    Object.assign(link, { href: `${base}/-/sign/link?cid=${encodeURIComponent(click)}`, rel: "nofollow", tabIndex: -1 });
    link.setAttribute("aria-hidden", "true");
    link.style.cssText = "position:absolute;left:-9999px";
    link.textContent = "more";
    document.body.append(link);
  };
  if (option("check") !== null) {
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

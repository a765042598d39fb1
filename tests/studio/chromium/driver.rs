//! A headless Chromium, driven over its DevTools protocol: JSON messages with a zero byte after each, on two pipes. What a page does
//! behind the scenes is noted: errors on its console, what its policy blocked, which hosts it asked, how it jumped while it loaded.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Folder, Server};

/// Nothing that is waited for takes longer, also where two tests share a slow core with a build.
const PATIENCE: Duration = Duration::from_secs(30);
const PROGRAM: &str = "chromium";
const SWITCHES: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
];
/// Runs in each page before its own script: what cannot be asked for afterwards.
const WATCH: &str = r#"
    window.seen = { blocked: [], jumps: [] };
    addEventListener("securitypolicyviolation", (event) => seen.blocked.push(event.violatedDirective + " " + event.blockedURI));
    new PerformanceObserver((list) => list.getEntries().filter((one) => !one.hadRecentInput).forEach((one) => seen.jumps.push(
        one.value.toFixed(4) + " " + one.sources.map((source) => [source.node?.nodeName, source.node?.className,
        JSON.stringify(source.previousRect), JSON.stringify(source.currentRect)].join(" ")).join(", "))))
        .observe({ type: "layout-shift", buffered: true });
"#;

/// A browser with one tab, at one server.
pub struct Chromium {
    child: Child,
    pipe: RefCell<ChildStdin>,
    inbox: Receiver<Value>,
    /// Events that came while something else was waited for.
    events: RefCell<VecDeque<Value>>,
    count: Cell<u64>,
    session: String,
    url: String,
    /// What went wrong behind the scenes.
    troubles: RefCell<Vec<String>>,
    /// The status of the document that was loaded last.
    status: Cell<u16>,
    /// How often it was asked whether what was typed may be lost.
    pub asked: Cell<u32>,
    _profile: Folder,
}

impl Chromium {
    pub fn at(server: &Server) -> Self {
        Self::at_url(&server.url)
    }

    /// At the other name of this machine, with a device that keeps passkeys and says yes to everything.
    pub fn with_passkeys(server: &Server) -> Self {
        let browser = Self::at_url(&server.url.replace("127.0.0.1", "localhost"));
        browser.call("WebAuthn.enable", json!({}));
        let device = json!({"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "automaticPresenceSimulation": true});
        browser.call("WebAuthn.addVirtualAuthenticator", json!({"options": device}));
        // This one says yes at once where others show a list while somebody types: not before they are told to.
        let later = "if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = () =>
            new Promise((done) => { window.offer = () => { done(true); }; });";
        browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": later}));
        browser
    }

    /// The browser offers the passkeys that it has, and the person takes one.
    pub fn takes_offer(&self) -> u16 {
        self.arriving(|| drop(self.eval("window.offer()")))
    }

    fn at_url(url: &str) -> Self {
        let profile = Folder::new();
        // The protocol is spoken on descriptors 3 and 4: those of this pipe, under other numbers.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", PROGRAM]).args(SWITCHES);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let (pipe, told) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (sender, inbox) = channel();
        thread::spawn(move || {
            let mut told = BufReader::new(told);
            let mut message = vec![];
            while told.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                let parsed = serde_json::from_slice(message.strip_suffix(&[0]).unwrap_or(&message));
                if parsed.is_ok_and(|message| sender.send(message).is_err()) {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            pipe: pipe.into(),
            inbox,
            events: RefCell::default(),
            count: Cell::new(0),
            session: String::new(),
            url: url.to_owned(),
            troubles: RefCell::default(),
            status: Cell::new(0),
            asked: Cell::new(0),
            _profile: profile,
        };
        let tab = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": tab, "flatten": true}));
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": WATCH}));
        browser.size(1280, 900);
        browser
    }

    // ------------------------------------------------------------------------------------------------ the protocol

    fn call(&self, method: &str, parameters: Value) -> Value {
        self.count.set(self.count.get() + 1);
        let id = self.count.get();
        self.send(id, method, parameters);
        let until = Instant::now() + PATIENCE;
        loop {
            let mut message = self.next(until, method);
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.note(&message);
            self.events.borrow_mut().push_back(message);
        }
    }

    fn send(&self, id: u64, method: &str, parameters: Value) {
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.pipe.borrow_mut().write_all(&bytes).expect("the browser listens");
    }

    fn next(&self, until: Instant, what: &str) -> Value {
        let left = until.saturating_duration_since(Instant::now());
        self.inbox.recv_timeout(left).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => panic!("waited too long for {what}; so far: {:?}", self.troubles.borrow()),
            RecvTimeoutError::Disconnected => {
                panic!("{PROGRAM} ended, or is not installed: apt-get install --no-install-recommends chromium")
            }
        })
    }

    /// Keeps what is wrong, whoever waits for something else meanwhile.
    fn note(&self, event: &Value) {
        let inside = &event["params"];
        let trouble = match event["method"].as_str().unwrap_or_default() {
            // Leaving what was typed: a person who goes on means it. Nobody waits for the answer.
            "Page.javascriptDialogOpening" => {
                self.send(0, "Page.handleJavaScriptDialog", json!({"accept": true}));
                self.asked.set(self.asked.get() + 1);
                None
            }
            "Runtime.exceptionThrown" => Some(inside["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if inside["type"] == "error" || inside["type"] == "warning" => Some(inside["args"].to_string()),
            // That a page is an error is its status, which is asked for.
            "Log.entryAdded" if inside["entry"]["source"] != "network" => Some(inside["entry"]["text"].to_string()),
            "Network.requestWillBeSent" => {
                let url = inside["request"]["url"].as_str().unwrap_or_default();
                let known = url.starts_with(&format!("{}/", self.url)) || url.starts_with("data:") || url == "about:blank";
                (!known).then(|| format!("asked {url}"))
            }
            "Network.responseReceived" => {
                let status = inside["response"]["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
                if inside["type"] == "Document" {
                    self.status.set(status);
                    None
                } else {
                    // What is wrong with a form is an answer like others, also to the script.
                    (status >= 400 && !matches!(status, 400 | 409)).then(|| format!("{status} for {}", inside["response"]["url"]))
                }
            }
            _ => None,
        };
        self.troubles.borrow_mut().extend(trouble);
    }

    /// Waits for the page that something leads to, and answers its status.
    fn arriving(&self, start: impl FnOnce()) -> u16 {
        self.look();
        self.events.borrow_mut().clear();
        self.status.set(0);
        start();
        let until = Instant::now() + PATIENCE;
        loop {
            let early = self.events.borrow_mut().pop_front();
            let event = early.unwrap_or_else(|| {
                let event = self.next(until, "a page");
                self.note(&event);
                event
            });
            if event["method"] == "Page.loadEventFired" {
                break;
            }
        }
        self.look();
        self.status.get()
    }

    /// Takes over what the page itself has noted.
    fn look(&self) {
        let seen = self.eval("window.seen ? [...seen.blocked.splice(0), ...seen.jumps.splice(0).map((one) => 'jumped ' + one)] : []");
        let here = self.path();
        let seen = seen.as_array().into_iter().flatten().map(|one| format!("{here}: {one}"));
        self.troubles.borrow_mut().extend(seen);
    }

    // ------------------------------------------------------------------------------------------------ what a person does

    /// The value of an expression in the page; of a promise, what it comes to.
    #[track_caller]
    pub fn eval(&self, script: &str) -> Value {
        let mut answer = self.call("Runtime.evaluate", json!({"expression": script, "awaitPromise": true, "returnByValue": true}));
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// Goes to a page and answers its status.
    pub fn go(&self, path: &str) -> u16 {
        self.arriving(|| drop(self.call("Page.navigate", json!({"url": format!("{}{path}", self.url)}))))
    }

    #[track_caller]
    pub fn open(&self, path: &str) {
        let status = self.go(path);
        assert_eq!(status, 200, "{path}: {}", self.text());
    }

    /// The path and the query of the page.
    pub fn path(&self) -> String {
        self.eval("location.pathname + location.search").as_str().unwrap_or_default().to_owned()
    }

    /// What is to be read on the page.
    pub fn text(&self) -> String {
        self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// How many there are that can be seen.
    pub fn count(&self, selector: &str) -> u64 {
        let script = format!(
            "[...document.querySelectorAll({})].filter((one) => one.checkVisibility({{ visibilityProperty: true }})).length",
            json!(selector)
        );
        self.eval(&script).as_u64().unwrap_or_default()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&self, condition: &str) {
        let most = PATIENCE.as_millis();
        let script = format!(
            "new Promise((done) => {{ const end = performance.now() + {most}; const look = () => ({condition}) ? done(true) : \
             performance.now() > end ? done(false) : setTimeout(look, 10); look(); }})"
        );
        assert_eq!(self.eval(&script), true, "{condition} at {}:\n{}", self.path(), self.text());
    }

    /// Presses the mouse on what can be seen there, and on nothing that covers it.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let script = format!(
            "(() => {{ const one = [...document.querySelectorAll({selector})].find((one) => one.checkVisibility({{ visibilityProperty: true }})); if (!one) return 'is not there';
             one.scrollIntoView({{ block: 'center', behavior: 'instant' }}); const box = one.getBoundingClientRect();
             const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]; const top = document.elementFromPoint(x, y);
             return top && (one.contains(top) || top.contains(one)) ? [x, y] : 'is covered by ' + (top && top.outerHTML.slice(0, 200)); }})()",
            selector = json!(selector)
        );
        let place = self.eval(&script);
        assert!(place.is_array(), "{selector} {place} at {}:\n{}", self.path(), self.text());
        for kind in ["mousePressed", "mouseReleased"] {
            self.call("Input.dispatchMouseEvent", json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1}));
        }
    }

    /// Presses it and waits for the page that it leads to.
    #[track_caller]
    pub fn follow(&self, selector: &str) -> u16 {
        self.arriving(|| self.click(selector))
    }

    /// The button or link with this text.
    #[track_caller]
    pub fn press(&self, words: &str) -> u16 {
        let script = format!(
            "(() => {{ document.querySelectorAll('[data-press]').forEach((one) => delete one.dataset.press); const one = [...document.querySelectorAll(
             'main a, main button, main summary, .sheet a, .sheet button')].find((one) => one.checkVisibility({{ visibilityProperty: true }}) && one.tabIndex >= 0 && one.innerText.trim() === {});
             if (one) one.dataset.press = '1'; return Boolean(one); }})()",
            json!(words)
        );
        assert_eq!(self.eval(&script), true, "no {words} at {}:\n{}", self.path(), self.text());
        self.follow("[data-press]")
    }

    /// Types into a field, in the place of what stands there.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        self.click(selector);
        self.eval("document.activeElement.select && document.activeElement.select()");
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Chooses from a list by what is to be read there; how many there are of it does not matter.
    #[track_caller]
    pub fn choose(&self, selector: &str, words: &str) {
        let script = format!(
            "(() => {{ const list = document.querySelector({}); const one = [...list.options].find((one) => one.text.replace(/ \\([\\d,]+\\)$/, '').trim() === {}); if (!one) return
             [...list.options].map((one) => one.text); list.value = one.value; list.dispatchEvent(new Event('input', {{ bubbles: true }}));
             list.dispatchEvent(new Event('change', {{ bubbles: true }})); return true; }})()",
            json!(selector),
            json!(words)
        );
        let chosen = self.eval(&script);
        assert_eq!(chosen, true, "no {words} in {selector}");
    }

    /// Presses a key: `Tab`, `/`, or `k` with Ctrl (2).
    pub fn key(&self, key: &str, modifiers: u8) {
        let text = if key.len() == 1 && modifiers == 0 { key } else { "" };
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowDown" => 40,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { text };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "modifiers": modifiers, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    // ------------------------------------------------------------------------------------------------ how it is looked at

    /// The size of the window; a narrow one is a telephone's.
    pub fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Light or dark, as the system of the person has it; without transitions, in which colours are neither.
    pub fn prefers(&self, theme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// As it comes out of a printer.
    pub fn on_paper(&self) {
        self.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    }

    /// As for people who let no page run a script.
    pub fn without_scripts(&self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    }

    /// Keeps a picture of the whole page, where `STUDIO_SHOTS` names a folder.
    pub fn shoot(&self, name: &str) {
        let Some(folder) = std::env::var_os("STUDIO_SHOTS").map(PathBuf::from) else { return };
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, shot["data"].as_str().unwrap_or_default());
        fs::write(folder.join(format!("{name}.png")), bytes.expect("a picture")).expect("the folder of pictures");
    }

    /// Nothing went wrong behind the scenes.
    #[track_caller]
    pub fn is_calm(&self) {
        self.look();
        assert_eq!(self.troubles.take(), Vec::<String>::new());
    }
}

impl Drop for Chromium {
    /// Lets it end by itself, so that nothing of it still writes to its folder when that goes.
    fn drop(&mut self) {
        let farewell = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        let _ = self.pipe.get_mut().write_all(farewell);
        let until = Instant::now() + Duration::from_secs(5);
        while self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

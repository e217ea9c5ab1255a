//! The page of a real run, clicked through in a real browser.

use std::path::Path;

use axum::http::Method;
use fantoccini::actions::{InputSource as _, MouseActions, PointerAction};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use testutil::{Browser, ClusterError, TestSchema};
use url::{ParseError, Url};

use crate::on;

/// Whether an element `e` takes up room. `checkVisibility()` does not know of lines in a picture.
const SHOWN: &str = "e.getBoundingClientRect().width > 0";
const PRESSED: &str = "e.getAttribute('aria-pressed')";
const BACKGROUND: &str = "getComputedStyle(document.body).backgroundColor";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_a_run_and_can_be_clicked_through() {
    let browser = match tokio::task::spawn_blocking(Browser::start).await.unwrap() {
        Ok(browser) => browser,
        Err(error @ ClusterError::NoTool { .. }) => {
            return testutil::skip("a_page_shows_a_run_and_can_be_clicked_through", error);
        }
        Err(error) => panic!("{error}"),
    };
    let (schema, folder) = (TestSchema::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("report.html");
    let flags = "--rate 200 --duration 3s --warmup 0s --preload 2000 --slo p99<10s,rate>1000";
    let output = on(&schema, flags).arg("--html").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));

    let page = Page::open(&browser, &file).await;
    page.prefer("", "light").await;
    it_says_what_was_measured_and_loads_nothing(&page).await;
    buttons_choose_the_scale_and_the_operations(&page).await;
    figures_are_told_where_it_is_pointed_at(&page).await;
    it_fits_a_phone(&page).await;
    it_is_dark_or_light_and_prints_without_buttons(&page).await;
    assert_eq!(page.chromium("se/log", json!({"type": "browser"})).await, json!([]), "errors in the console");
    page.0.close().await.unwrap();
}

async fn it_says_what_was_measured_and_loads_nothing(page: &Page) {
    assert_eq!(page.0.title().await.unwrap(), "library through eventstore: 200 requests/s");
    assert_eq!(page.each("#verdict .verdict", "e.innerText").await, json!(["Limits broken"]));
    let checks = page.each(".checks li", "[e.querySelector('code').innerText, e.className]").await;
    assert_eq!(checks, json!([["p99<10s", "held"], ["rate>1000", "broken"]]));
    let figures = page.each(".tile b", "parseFloat(e.innerText)").await;
    let figures: Vec<Option<f64>> = figures.as_array().unwrap().iter().map(Value::as_f64).collect();
    assert_eq!((figures.len(), figures[0]), (10, Some(200.0)), "{figures:?}");
    assert!(figures.iter().all(Option::is_some), "{figures:?}");
    let loaded = page.value("performance.getEntriesByType('resource').map((entry) => entry.name)").await;
    assert_eq!(loaded, json!([]));
}

async fn buttons_choose_the_scale_and_the_operations(page: &Page) {
    for (scale, is_log) in [("linear", false), ("log", true)] {
        page.click(&format!("button[data-scale={scale}]")).await;
        assert_eq!(page.each("[data-chart-scale]", SHOWN).await, json!([is_log, !is_log]));
        let pressed = json!([is_log.to_string(), (!is_log).to_string()]);
        assert_eq!(page.each("button[data-scale]", PRESSED).await, pressed);
    }
    // Its name in the legend, and its line in the chart that is shown.
    let line = "#latency li[data-operation=lend_book], [data-chart-scale=log] g[data-operation=lend_book]";
    assert_eq!(page.each(line, SHOWN).await, json!([false, false]));
    for (section, is_shown) in [("latency", true), ("operations", false)] {
        page.click(&format!("#{section} button[data-operation=lend_book]")).await;
        assert_eq!(page.each(line, SHOWN).await, json!([is_shown, is_shown]));
        let pressed = json!([is_shown.to_string(), is_shown.to_string()]);
        assert_eq!(page.each("button[data-operation=lend_book]", PRESSED).await, pressed);
    }
}

async fn figures_are_told_where_it_is_pointed_at(page: &Page) {
    page.point_at("#over-time figure svg").await;
    let told = page.value("document.querySelector('.box').innerText").await;
    let lines: Vec<&str> = told.as_str().unwrap().lines().collect();
    assert!(lines.len() == 5 && lines[0].ends_with(" s"), "{told}");
    for (line, name) in lines[1..].iter().zip(["completed", "offered", "rejected", "errors and time-outs"]) {
        let figure = line.strip_prefix(name).and_then(|rest| rest.strip_suffix(" /s")).unwrap();
        assert!(figure.trim().replace(',', "").parse::<f64>().is_ok(), "{told}");
    }
    page.point_at("h1").await;
    assert_eq!(page.value("document.querySelector('.box').hidden").await, true);
}

async fn it_fits_a_phone(page: &Page) {
    let phone = json!({"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": true});
    page.emulate("setDeviceMetricsOverride", phone).await;
    assert_eq!(page.each("html", "[e.scrollWidth, e.clientWidth]").await, json!([[375, 375]]));
    let scrolled = page.each("#operations .scroll", "(e.scrollLeft = 50, e.scrollLeft)").await;
    assert_eq!(scrolled, json!([50]), "the table is wider than its box, and scrolls in it");
    let rows =
        page.value("new Set(Array.from(document.querySelectorAll('.tile'), (e) => e.offsetTop)).size").await;
    assert!(rows.as_u64().unwrap() > 2, "{rows} rows of tiles");
    page.emulate("clearDeviceMetricsOverride", json!({})).await;
}

/// As the button says, else as the system has it; on paper always light.
async fn it_is_dark_or_light_and_prints_without_buttons(page: &Page) {
    let light = page.value(BACKGROUND).await;
    page.click("#theme").await;
    let dark = page.value(BACKGROUND).await;
    assert_ne!(dark, light);
    assert_eq!(page.value("document.documentElement.dataset.theme").await, "dark");
    page.click("#theme").await;
    assert_eq!(page.value("document.documentElement.dataset.theme").await, "light");
    assert_eq!(page.value(BACKGROUND).await, light);

    page.0.refresh().await.unwrap();
    page.prefer("", "dark").await;
    assert_eq!(page.value(BACKGROUND).await, dark);
    assert_eq!(page.each("#theme", PRESSED).await, json!(["true"]));

    page.prefer("print", "dark").await;
    assert_eq!(page.value(BACKGROUND).await, light);
    assert_eq!(page.count_shown("button").await, 0);
    assert_eq!(page.count_shown(".without-script").await, page.count_shown("#operations tbody tr").await);
}

/// A page that is open.
struct Page(Client);

impl Page {
    async fn open(browser: &Browser, file: &Path) -> Self {
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(browser.capabilities());
        let client = builder.connect(&browser.url()).await.unwrap();
        client.goto(Url::from_file_path(file).unwrap().as_str()).await.unwrap();
        Self(client)
    }

    /// What an expression in JavaScript comes to.
    async fn value(&self, expression: &str) -> Value {
        self.0.execute(&format!("return {expression}"), Vec::new()).await.unwrap()
    }

    /// The same for each element `e` that is found.
    async fn each(&self, selector: &str, expression: &str) -> Value {
        let all = format!("document.querySelectorAll({})", json!(selector));
        self.value(&format!("Array.from({all}, (e) => {expression})")).await
    }

    async fn count_shown(&self, selector: &str) -> usize {
        let shown = self.each(selector, SHOWN).await;
        shown.as_array().unwrap().iter().filter(|shown| shown.as_bool().unwrap()).count()
    }

    async fn click(&self, selector: &str) {
        self.0.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    async fn point_at(&self, selector: &str) {
        self.each(selector, "e.scrollIntoView({block: 'center'})").await;
        let element = self.0.find(Locator::Css(selector)).await.unwrap();
        let over = PointerAction::MoveToElement { element, duration: None, x: 0.0, y: 0.0 };
        self.0.perform_actions(MouseActions::new("mouse".to_owned()).then(over)).await.unwrap();
    }

    /// What the page is shown on (a screen, if empty), and what its reader prefers.
    async fn prefer(&self, media: &str, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.emulate("setEmulatedMedia", json!({"media": media, "features": features})).await;
    }

    async fn emulate(&self, what: &str, how: Value) {
        self.chromium("goog/cdp/execute", json!({"cmd": format!("Emulation.{what}"), "params": how})).await;
    }

    async fn chromium(&self, path: &'static str, arguments: Value) -> Value {
        self.0.issue_cmd(Chromium { path, arguments }).await.unwrap()
    }
}

/// A command beyond WebDriver.
#[derive(Debug)]
struct Chromium {
    path: &'static str,
    arguments: Value,
}

impl WebDriverCompatibleCommand for Chromium {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.arguments.to_string()))
    }
}

//! An authenticator app, written from RFC 4226 and RFC 6238 and not from the code under test.

use aws_lc_rs::hmac;
use cleargate::clock::Timestamp;

use super::gateway::{Reply, TestGateway, Visitor};

/// An app that has scanned one seed.
#[derive(Clone)]
pub struct App(pub Vec<u8>);

impl App {
    /// Reads the seed that a page shows beside the picture.
    pub fn scan(page: &Reply) -> Self {
        let (_, rest) = page.text.split_once("<p class=\"secret\"><code>").unwrap_or_else(|| panic!("{}", page.text));
        Self::of(rest.split('<').next().unwrap())
    }

    /// Reads a seed in base32.
    pub fn of(text: &str) -> Self {
        let (mut bits, mut held, mut seed) = (0_u32, 0_u32, Vec::new());
        for letter in text.bytes() {
            let value = if letter.is_ascii_uppercase() { letter - b'A' } else { letter - b'2' + 26 };
            assert!(value < 32, "{text}");
            (bits, held) = (bits << 5 | u32::from(value), held + 5);
            if held >= 8 {
                held -= 8;
                seed.push((bits >> held & 0xff) as u8);
            }
        }
        Self(seed)
    }

    /// The code that it shows at a moment.
    pub fn code_at(&self, at: Timestamp) -> String {
        let counter = (at.as_seconds() / 30) as u64;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &counter.to_be_bytes());
        let offset = (tag.as_ref()[19] & 15) as usize;
        let four: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().unwrap();
        format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
    }

    /// The code that it shows now.
    pub fn code(&self, gateway: &TestGateway) -> String {
        self.code_at(gateway.clock.clock().now())
    }

    /// A text of six digits that it does not show about now.
    pub fn wrong(&self, gateway: &TestGateway) -> String {
        let now = gateway.clock.clock().now();
        let near: Vec<String> =
            (-2..=2).map(|steps| self.code_at(Timestamp::from_seconds(now.as_seconds() + steps * 30))).collect();
        (0..).map(|number| format!("{number:06}")).find(|text| !near.contains(text)).unwrap()
    }
}

/// The recovery codes that a page shows.
pub fn recovery_codes(page: &Reply) -> Vec<String> {
    let (_, list) = page.text.split_once("<ul class=\"codes\">").unwrap_or_else(|| panic!("{}", page.text));
    let (list, _) = list.split_once("</ul>").unwrap();
    list.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// Somebody who is signed in by this password and has no factor sets up an app on their own page.
pub async fn enrol(gateway: &TestGateway, browser: &mut Visitor, password: &str) -> (App, Vec<String>) {
    let csrf = browser.get("/account/factors").await.field("csrf");
    let page = browser.post("/account/factors/add", &[("csrf", &csrf), ("password", password)]).await;
    let app = App::scan(&page);
    let fields = [("csrf", page.field("csrf")), ("offer", page.field("offer")), ("code", app.code(gateway))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let done = browser.post("/account/factors/confirm", &fields).await;
    (app, recovery_codes(&done))
}

//! The page: four files that are part of the program, and nothing from anywhere else.
//!
//! Always holds: the browser is told to run no script and to take no style but these files, to speak to nobody but this server,
//! and to show the page in no frame. The page itself is open to all and holds nothing; what it shows it asks for like any
//! other caller, with the token that a person gave it.

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS,
};

/// Nothing but what this server sends; no inline script or style, no frame around it, no form that goes anywhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

fn file(kind: &'static str, bytes: &'static [u8]) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(kind)))
        .insert_header((CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)))
        .insert_header((REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
        .insert_header((X_FRAME_OPTIONS, HeaderValue::from_static("DENY")))
        // A new fettle brings a new page.
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .body(bytes)
}

/// `GET /`
pub(super) async fn index() -> HttpResponse {
    file("text/html; charset=utf-8", include_bytes!("index.html"))
}

/// `GET /app.js`
pub(super) async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", include_bytes!("app.js"))
}

/// `GET /style.css`
pub(super) async fn style() -> HttpResponse {
    file("text/css; charset=utf-8", include_bytes!("style.css"))
}

/// `GET /icon.svg`
pub(super) async fn icon() -> HttpResponse {
    file("image/svg+xml", include_bytes!("icon.svg"))
}

/// `GET /openapi.json`: every route, for programs.
pub(super) async fn openapi() -> HttpResponse {
    file("application/json", include_bytes!("../openapi.json"))
}

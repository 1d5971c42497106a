//! The page on which a person picks who they are.

use maud::{DOCTYPE, Markup, html};

use super::Person;

/// The page: one link per person; `link` makes its address from the person's `sub`.
pub(super) fn choose(people: &[Person], link: impl Fn(&str) -> String) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Sandbox provider: choose a person" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                main {
                    p.banner { "SANDBOX: this provider asks for no password and protects nothing." }
                    h1 { "Who do you want to be?" }
                    ul {
                        @for person in people {
                            li {
                                a href=(link(&person.sub)) {
                                    strong { (person.name) }
                                    " " span { (person.email) }
                                    @if !person.groups.is_empty() { small { (person.groups.join(", ")) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f4f1;color:#1d1d1b}\
main{max-width:34rem;margin:3rem auto;padding:0 1rem}\
.banner{background:#ffe08a;border:1px solid #8a6d00;padding:.5rem .75rem;font-weight:600}\
ul{list-style:none;padding:0}li{margin:.5rem 0}\
a{display:block;padding:.75rem;background:#fff;border:1px solid #bbb;color:inherit;text-decoration:none}\
a:hover,a:focus{border-color:#1d4ed8;outline:2px solid #1d4ed8}\
small{display:block;color:#555}";

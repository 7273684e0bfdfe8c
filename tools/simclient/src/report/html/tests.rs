//! The page as a whole: read as XML, which it is, and not searched for words.

use std::fs;

use roxmltree::{Document, Node, ParsingOptions};

use super::{page::page, write};
use crate::Failure;
use crate::report::made_up;
use crate::summary::{Latency, Recent, Sample, Summary};

/// What a browser would fetch something by.
const FETCHING: [&str; 8] = ["src", "href", "srcset", "data", "action", "poster", "background", "formaction"];
/// All charts of the pairs, in their order.
const CHARTS_OF_PAIRS: [&str; 8] = ["rates", "online", "latency-ack", "latency-delivery", "distribution", "processor", "memory", "disk"];

/// Makes the page, holds it to what must be true of every page, and hands its parts to `inspect`.
fn check(summary: &Summary, inspect: impl FnOnce(&Document<'_>)) {
    let text = page(summary).expect("the page is made");
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&text, options).unwrap_or_else(|error| panic!("not well-formed: {error}\n{text}"));
    for node in document.descendants().filter(Node::is_element) {
        assert!(!["script", "link", "img", "iframe", "object", "image", "use"].contains(&node.tag_name().name()), "{node:?}");
        for attribute in node.attributes() {
            assert!(!FETCHING.contains(&attribute.name()) && !attribute.name().starts_with("on"), "{node:?}");
            assert!(!attribute.value().contains("://") && !attribute.value().contains("url("), "{node:?}");
            assert!(!attribute.value().contains("NaN") && !attribute.value().contains("inf"), "{node:?}");
        }
    }
    let sheet = document.descendants().find(|node| node.has_tag_name("style")).expect("a style sheet");
    for svg in document.descendants().filter(|node| node.has_tag_name("svg")) {
        check_picture(svg, sheet.text().expect("rules"));
    }
    inspect(&document);
}

/// A picture says what it shows, scales with the page, and has no colour that the style sheet does not know.
fn check_picture(svg: Node<'_, '_>, sheet: &str) {
    assert_eq!(svg.attribute("role"), Some("img"));
    assert!(svg.has_attribute("viewBox") && !svg.has_attribute("width"));
    let title = svg.first_element_child().filter(|child| child.has_tag_name("title")).expect("a title first");
    assert!(title.text().is_some_and(|text| text.len() > 10));
    assert_eq!(title.attribute("id"), svg.attribute("aria-labelledby"));
    for (name, colour) in svg.descendants().flat_map(|node| node.attributes()).map(|found| (found.name(), found.value())) {
        if ["fill", "stroke"].contains(&name) && colour != "none" {
            assert!(sheet.contains(&format!("svg [{name}=\"{colour}\"]{{{name}:var(")), "{name} {colour}");
        }
    }
}

fn charts(document: &Document<'_>) -> Vec<String> {
    let figures = document.descendants().filter(|node| node.has_tag_name("figure"));
    figures.filter_map(|figure| figure.attribute("id")?.strip_prefix("chart-").map(str::to_owned)).collect()
}

fn words(document: &Document<'_>) -> String {
    document.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_chart_is_there_when_it_has_data() {
    check(&made_up::pairs(), |document| assert_eq!(charts(document), CHARTS_OF_PAIRS));
    check(&made_up::cycle(), |document| {
        assert_eq!(charts(document).len(), CHARTS_OF_PAIRS.len() + 1);
        assert!(charts(document).contains(&"latency-login".to_owned()));
    });
    check(&made_up::faulty(), |document| assert_eq!(charts(document).last().map(String::as_str), Some("faults")));
}

#[test]
fn each_chart_is_left_out_when_it_has_none() {
    let without = |missing: &[&str], change: fn(&mut Sample)| {
        let mut summary = made_up::pairs();
        summary.samples.iter_mut().for_each(change);
        let expected: Vec<&str> = CHARTS_OF_PAIRS.into_iter().filter(|chart| !missing.contains(chart)).collect();
        check(&summary, |document| assert_eq!(charts(document), expected));
    };
    without(&[], |_| {});
    without(&["rates"], |sample| {
        (sample.acked_per_second, sample.delivered_per_second, sample.logins_per_second) = (0.0, 0.0, 0.0);
    });
    without(&["online"], |sample| sample.online = 0);
    without(&["latency-ack"], |sample| sample.post_to_ack_us = Recent::default());
    without(&["latency-delivery"], |sample| sample.post_to_delivery_us = Recent::default());
    without(&["disk"], |sample| sample.disk_bytes = None);
    // One of the two is enough for a chart, neither is not.
    without(&[], |sample| sample.relay = None);
    without(&["processor", "memory"], |sample| (sample.relay, sample.tester) = (None, Default::default()));

    let summary = Summary {
        post_to_ack_us: Latency::default(),
        post_to_delivery_us: Latency::default(),
        login_us: Latency::default(),
        ..made_up::pairs()
    };
    check(&summary, |document| assert!(!charts(document).contains(&"distribution".to_owned())));
}

#[test]
fn what_data_says_is_text() {
    let mut summary = made_up::faulty();
    let hostile = "</style><script>alert(\"9\")</script>&\u{0}\u{1b}]]>".to_owned();
    summary.notes.push(hostile.clone());
    summary.settings.insert(hostile.clone(), hostile.clone());
    summary.extra.insert(hostile.clone(), f64::NAN);
    summary.samples[5].phase = hostile.clone();
    for field in [&mut summary.scenario, &mut summary.version, &mut summary.began, &mut summary.address] {
        *field = hostile.clone();
    }
    // That no script is in it holds for every page; here the words must still be there.
    check(&summary, |document| assert!(words(document).matches("<script>alert(\"9\")</script>&").count() > 5));
}

#[test]
fn the_verdict_is_in_words_and_faults_stand_out() {
    let verdict = |document: &Document<'_>| {
        let banner = document.descendants().find(|node| node.attribute("class").is_some_and(|class| class.starts_with("verdict")));
        banner.expect("a verdict").descendants().filter_map(|node| node.text()).collect::<String>()
    };
    check(&made_up::pairs(), |document| assert!(verdict(document).contains("all well")));
    check(&made_up::faulty(), |document| {
        assert!(verdict(document).contains("1\u{202f}208 faults: 3 lost, 1 duplicated, 1\u{202f}204 out of order"));
        assert_eq!(document.descendants().filter(|node| node.attribute("class") == Some("fault")).count(), 3);
    });
}

#[test]
fn the_page_tells_how_to_repeat_the_test() {
    check(&made_up::cycle(), |document| {
        let command = document.descendants().find(|node| node.has_tag_name("pre")).and_then(|node| node.text());
        let expected = "simclient cycle --addr relay.example:8443 --group 20 --members 1000 --reconnect --size 512 --speedup 40 --time 300";
        assert_eq!(command, Some(expected));
    });
}

#[test]
fn little_is_enough_for_a_page() {
    check(&Summary::default(), |document| assert!(charts(document).is_empty()));
    let mut one = made_up::pairs();
    one.samples.drain(..30);
    one.samples.truncate(1);
    // One moment is points rather than lines, and has no processor use: that is a difference.
    check(&one, |document| {
        assert_eq!(
            charts(document),
            CHARTS_OF_PAIRS.map(str::to_owned).into_iter().filter(|chart| chart != "processor").collect::<Vec<_>>()
        );
        assert!(document.descendants().any(|node| node.has_tag_name("circle")));
    });
    let zeros = Summary {
        samples: vec![Sample::default(); 3],
        post_to_ack_us: Latency { count: 3, curve: vec![(0.0, 0), (1.0, 0)], ..Latency::default() },
        ..Summary::default()
    };
    check(&zeros, |document| assert!(charts(document).is_empty()));
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -1.0] {
        let mut summary = made_up::pairs();
        summary.acked_per_second = number;
        summary.delivered_mb_per_second = number;
        summary.gather_seconds = number;
        summary.post_to_ack_us.mean = number;
        summary.post_to_ack_us.curve.push((number, u64::MAX));
        for sample in summary.samples.iter_mut().step_by(2) {
            (sample.acked_per_second, sample.delivered_per_second, sample.tester.cpu_seconds) = (number, number, number);
            sample.post_to_ack_us = Recent { p50: 0, p99: 1, max: u64::MAX };
        }
        summary.samples[40].seconds = number;
        check(&summary, |document| assert_eq!(charts(document), CHARTS_OF_PAIRS));
    }
}

#[test]
fn a_day_of_samples_is_a_page_too() {
    let summary = made_up::long(100_000);
    assert!(page(&summary).expect("the page is made").len() < 1_000_000);
    check(&summary, |document| {
        let rates = document.descendants().find(|node| node.attribute("id") == Some("chart-rates")).expect("the rates");
        // The first polygon is the area below the line, the second what reaches above and below it.
        let acked = rates.descendants().filter(|node| node.has_tag_name("polygon") && node.attribute("fill") == Some("#0B63B0")).nth(1);
        let points = acked.and_then(|line| line.attribute("points")).expect("a line");
        let heights: Vec<i32> =
            points.split_whitespace().map(|point| point.split_once(',').expect("x,y").1.parse().expect("a number")).collect();
        // The one peak is six times as high as all the rest.
        assert_eq!(heights.iter().filter(|height| **height < 300).count(), 1, "{heights:?}");
        assert!(words(document).contains("up to 987 k/s"));
    });
}

#[test]
fn the_file_is_put_into_a_directory_of_its_own() {
    let directory = tempfile::tempdir().expect("a place to write to");
    let file = write(&directory.path().join("a/b"), &made_up::pairs()).expect("it is written");
    assert!(file.ends_with("a/b/index.html"));
    assert!(fs::read_to_string(&file).expect("it is there").starts_with("<!DOCTYPE html>"));
    let Err(Failure::Output(text)) = write(&file, &made_up::pairs()) else { panic!("a file is no directory") };
    assert!(text.contains("index.html"), "{text}");
}

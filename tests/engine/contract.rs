//! What a ledger promises, on a file and on PostgreSQL: budgets, retention, transitions that hold whatever comes in
//! whatever order, one job for one id, leases.

use std::time::{Duration, Instant};

use super::ledger::{accepted, caller, checked, foreign, intent, known, owner, seen, states};
use super::place::{Beside, Place, on_both};
use crate::support::product::Product;
use crate::support::wire::Wire;
use futures_util::future::join_all;
use pdfco::catalog;
use pdfco::charge::Charge;
use pdfco::clock::now;
use pdfco::error::Kind;
use pdfco::jobs::ledger::{Admission, Filter, Intent};
use pdfco::jobs::{IntentId, Job, JobId, JobStatus, Ledger, Observation, Outgoing, Preparation, Task, TaskStatus};
use pdfco::secret::ApiKey;
use pdfco::simulator::{self, Fault, FaultKind};
use pdfco::tenant::Owner;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tokio_util::sync::CancellationToken;

const DAY: u64 = 86_400;
/// Long enough for every row.
const FOR_EVER: Duration = Duration::from_secs(36_500 * DAY);

on_both! {
    async fn a_new_file_is_opened_by_many_at_the_same_moment(place: &Place) {
        let ledgers: Vec<Ledger> = (0..8).map(|_| place.open()).collect();
        join_all(ledgers.iter().enumerate().map(async |(index, ledger)| accepted(ledger, &format!("J{index}")).await))
            .await;
        for ledger in &ledgers {
            assert_eq!(ledger.list(&caller(), None, 100, None).await.unwrap().total, 8);
            let health = ledger.health().await.unwrap();
            assert!(health.ends_with(", 8 jobs") && !health.contains("in memory") && !health.contains("canary"), "{health}");
        }
    }

    async fn processes_that_start_together_on_a_new_file_all_use_it(place: &Place) {
        let service = simulator::spawn(simulator::Options::default()).await.unwrap();
        let place = place.value();
        let mut wires: Vec<Wire> = (0..3).map(|_| Wire::ready(service.url(), &[("PDFCO_LEDGER", &place)])).collect();
        let submit = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 0});
        let asked: Vec<i64> = wires
            .iter_mut()
            .map(|wire| wire.request("tools/call", json!({"name": "submit_job", "arguments": submit})))
            .collect();
        for (wire, id) in wires.iter_mut().zip(asked) {
            assert_eq!(wire.answer(id).0["result"]["structuredContent"]["status"], "queued");
        }
        for mut wire in wires {
            assert_eq!(wire.call("list_jobs", json!({}))["content"]["total"], 3);
            assert_eq!(wire.finish(), "");
        }
    }

    async fn a_budget_holds_across_parallel_intents_and_processes(place: &Place) {
        let ledgers = [place.open(), place.open(), place.open()];
        let submits = (0..60).map(|number| {
            let ledger = &ledgers[number % 3];
            async move {
                let intent = intent(&format!("J{number}"));
                match ledger.insert_intent(&intent, limit(14, 7)).await {
                    Ok(_) => {
                        ledger
                            .accepted(
                            &intent,
                            JobId::parse(&format!("J{number}")).unwrap(),
                            &json!({}),
                            Charge::new(Some(7), None),
                            now(),
                        )
                            .await;
                        true
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), Kind::InsufficientCredits, "{error}");
                        false
                    }
                }
            }
        });
        let admitted = join_all(submits).await.into_iter().filter(|admitted| *admitted).count();
        assert_eq!(admitted, 2);
        assert_eq!(ledgers[0].budget_used(&owner(), now()).await.unwrap(), 14);
        assert_eq!(ledgers[0].list(&caller(), None, 100, None).await.unwrap().total, 2, "a refused intent leaves no row");
        // Another tenant's budget is its own.
        let other = Owner::from(ApiKey::new("sim_other").unwrap());
        assert!(ledgers[0].insert_intent(&Intent::new(&other, "pdf_to_text", now()), limit(14, 7)).await.is_ok());
    }

    async fn unknown_fates_count_and_refunds_raise_no_budget(place: &Place) {
        let ledger = place.keeping(FOR_EVER);
        let used = async || ledger.budget_used(&owner(), now()).await.unwrap();
        let lost = intent("LOST");
        ledger.insert_intent(&lost, limit(100, 30)).await.unwrap();
        assert_eq!(used().await, 30, "set aside");
        let unknown = pdfco::error::Error::new(Kind::Network, "lost", "look").with_unknown_fate();
        ledger.not_accepted(&lost, &unknown, Charge::NONE, now()).await;
        assert_eq!(used().await, 30, "it may have been charged");
        let refused = intent("REFUSED");
        ledger.insert_intent(&refused, limit(100, 30)).await.unwrap();
        ledger.not_accepted(&refused, &pdfco::error::Error::invalid("no", "no"), Charge::NONE, now()).await;
        assert_eq!(used().await, 30, "a refusal is given back");

        let paid = intent("PAID");
        ledger.insert_intent(&paid, limit(100, 30)).await.unwrap();
        let job = ledger.accepted(&paid, JobId::parse("PAID").unwrap(), &json!({}), Charge::new(Some(20), None), now()).await;
        assert_eq!(used().await, 60, "ten more may come until it ends");
        let refund = Observation { credits: Some(-500), ..seen(JobStatus::Failed, now()) };
        checked(&ledger, &job, &refund).await;
        assert_eq!(used().await, 30, "no more is refunded than was charged");

        let check = ledger.admit_check(&owner(), Some(40), 2).await.unwrap();
        assert_eq!(used().await, 40, "a check of an unproven price sets aside what is left of its margin");
        let job = accepted(&ledger, "B").await;
        ledger.observe(Some(owner().account()), &job, &seen(JobStatus::Working, now()), check).await;
        assert_eq!(used().await, 53, "settled");
        let beyond = ledger.admit_check(&owner(), Some(54), 2).await.unwrap_err();
        assert_eq!(beyond.kind(), Kind::InsufficientCredits);
    }

    async fn what_is_set_aside_is_settled_or_given_back(place: &Place) {
        let ledger = place.open();
        let used = async || ledger.budget_used(&owner(), now()).await.unwrap();
        let of = |price| Admission::of(100, price);
        let settled = ledger.admit(&owner(), Some(of(20))).await.unwrap();
        let silent = ledger.admit(&owner(), Some(of(10))).await.unwrap();
        let kept = ledger.admit(&owner(), Some(of(40))).await.unwrap();
        assert_eq!(used().await, 70);
        ledger.settle(&owner(), settled, "pdf_info", Charge::new(Some(7), None)).await;
        assert_eq!(used().await, 57, "thirteen of twenty are free again");
        ledger.settle(&owner(), silent, "pdf_info", Charge::NONE).await;
        assert_eq!(used().await, 57, "what the service said nothing about goes on to count");
        ledger.refuse_beyond(&owner(), of(43)).await.unwrap();
        let beyond = ledger.refuse_beyond(&owner(), of(44)).await.unwrap_err();
        assert_eq!(beyond.kind(), Kind::InsufficientCredits);
        assert_eq!(used().await, 57, "asking sets nothing aside");
        ledger.give_back(kept);
        // Written behind, before what follows.
        let last = ledger.admit(&owner(), None).await.unwrap();
        ledger.settle(&owner(), last, "pdf_info", Charge::new(Some(0), None)).await;
        assert_eq!(used().await, 17);
    }

    async fn only_old_ended_jobs_go_and_links_go_when_they_expire(place: &Place) {
        let ledger = place.open();
        let at = now();
        let (old, expiring, kept) =
            (accepted(&ledger, "OLD").await, accepted(&ledger, "EXPIRING").await, accepted(&ledger, "KEPT").await);
        accepted(&ledger, "OPEN").await;
        for job in [&old, &expiring, &kept] {
            checked(&ledger, job, &seen(JobStatus::Success, at)).await;
        }
        let mut file = place.beside().await;
        let age = async |file: &mut Beside| {
            let day = 86_400_000;
            let sql = format!(
                "UPDATE jobs SET created_at = {0}, changed_at = {0} WHERE job_id IN ('OLD', 'OPEN');
                 UPDATE jobs SET links_expire_at = {1} WHERE job_id = 'EXPIRING'",
                at - 31 * day,
                at - 1
            );
            file.execute(sql).await;
        };
        age(&mut file).await;
        ledger.prune().await.unwrap();
        let tidy = async |ledger: &Ledger| {
            assert_eq!(ledger.list(&caller(), None, 10, None).await.unwrap().total, 3);
            assert!(ledger.get(&caller(), "OPEN").await.unwrap().is_some(), "only what has ended is forgotten");
            assert!(ledger.get(&caller(), "OLD").await.unwrap().is_none());
            let content = |job: Option<Job>| job.unwrap().content.unwrap().to_string();
            let expired = content(ledger.get(&caller(), "EXPIRING").await.unwrap());
            assert!(!expired.contains("canary") && expired.contains("expired"), "{expired}");
            assert!(content(ledger.get(&caller(), "KEPT").await.unwrap()).contains("canary"));
        };
        tidy(&ledger).await;

        // A clock that is forty days ahead forgets nothing.
        file.execute(format!("UPDATE meta SET value = '{}' WHERE name = 'clock_seen'", at - 40 * 86_400_000)).await;
        let old = accepted(&ledger, "OLD").await;
        checked(&ledger, &old, &seen(JobStatus::Success, at)).await;
        age(&mut file).await;
        ledger.prune().await.unwrap();
        assert!(ledger.get(&caller(), "OLD").await.unwrap().is_some());
    }

    async fn old_tasks_and_old_spending_go_too(place: &Place) {
        let (ledger, at) = (place.open(), now());
        let day = 86_400_000;
        let task = |status: TaskStatus, created_at: i64, ttl: u64| Task {
            status,
            ..Task::new(caller(), "submit_job", Duration::from_secs(ttl), created_at)
        };
        let (old, ended, open_long, kept) = (
            task(TaskStatus::Working, at - 31 * day, DAY),
            task(TaskStatus::Completed, at - 2 * day, DAY),
            task(TaskStatus::Working, at - 2 * day, DAY),
            task(TaskStatus::Completed, at, DAY),
        );
        for task in [&old, &ended, &open_long, &kept] {
            ledger.promise(task).await.unwrap();
        }
        ledger.charged(&owner(), "pdf_to_text", Charge::new(Some(5), None), at - 800 * day).await;
        ledger.charged(&owner(), "pdf_to_text", Charge::new(Some(7), None), at).await;
        // What is over is not found, tidied up or not; what is open is kept for as long as jobs are.
        assert!(ledger.task(&caller(), &ended.task_id, at).await.unwrap().is_none());
        assert_eq!(ledger.task(&caller(), &open_long.task_id, at).await.unwrap(), Some(open_long.clone()));
        ledger.prune().await.unwrap();
        assert_eq!(ledger.spending(&caller(), 10).await.unwrap().iter().map(|row| row.credits).sum::<i64>(), 7);
        let mut file = place.beside().await;
        let left = file.texts("SELECT task_id FROM tasks ORDER BY created_at").await;
        assert_eq!(left, [open_long.task_id, kept.task_id]);
    }

    async fn a_task_that_has_ended_is_never_moved_again(place: &Place) {
        use TaskStatus::{Cancelled, Completed, Failed, InputRequired, Working};
        let (ledger, at) = (place.open(), now());
        for from in [Working, InputRequired, Completed, Failed, Cancelled] {
            for to in [Working, InputRequired, Completed, Failed, Cancelled] {
                let task = Task { status: from, ..Task::new(caller(), "submit_job", Duration::from_secs(DAY), at) };
                ledger.promise(&task).await.unwrap();
                let moved = ledger.move_task(&task.task_id, to, Some("m"), Some(&json!({"a": 1})), at + 1).await.unwrap();
                let after = ledger.task(&caller(), &task.task_id, at + 1).await.unwrap().unwrap();
                assert_eq!(moved, !from.is_terminal(), "{from:?} to {to:?}");
                assert_eq!(after.status, if moved { to } else { from });
                assert_eq!(after.payload.is_some(), moved);
            }
        }
        let other = ApiKey::new("sim_other").unwrap();
        let (tasks, _) = ledger.tasks(&caller(), 100, None, at).await.unwrap();
        assert_eq!(tasks.len(), 25);
        assert_eq!(
            ledger.tasks(&pdfco::tenant::Tenant::of_account(other.fingerprint()), 100, None, at).await.unwrap().0,
            []
        );
        assert!(
            ledger
                .task(&pdfco::tenant::Tenant::of_account(other.fingerprint()), &tasks[0].task_id, at)
                .await
                .unwrap()
                .is_none()
        );
    }

    async fn more_links_than_one_batch_are_all_taken_out(place: &Place) {
        let ledger = place.open();
        accepted(&ledger, "A").await;
        ledger.close().await;
        let mut file = place.beside().await;
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
             INSERT INTO jobs (intent_id, job_id, tenant, operation, arguments, request_hash, status, created_at, changed_at, content, links_expire_at)
             SELECT 'local-n' || i, 'N' || i, '{0}', '', '{{}}', '', 'success', {1}, {1}, '{{\"url\":\"https://h.test/a?canary\"}}', 1 FROM n",
            caller().as_str(),
            now()
        );
        file.execute(sql).await;
        place.open().prune().await.unwrap();
        let left = file.texts("SELECT intent_id FROM jobs WHERE content LIKE '%canary%'").await;
        assert_eq!(left.len(), 0);
    }

    async fn racing_submits_under_one_id_never_share_a_job(place: &Place) {
        let service = simulator::spawn(simulator::Options::default()).await.unwrap();
        let product = Product::with(service.url(), "sim_race", &[("PDFCO_LEDGER", &place.value())]);
        let (jobs, key) = (product.app.jobs(), &product.caller.owner);
        let operation = catalog::find("html_to_pdf").unwrap();
        let prepare = async |text: &str| {
            let identity = json!({"html": text});
            let preparation = jobs.prepare(key, operation, &identity, Some("mine")).await.unwrap();
            let Preparation::Prepared(prepared) = preparation else { panic!("{preparation:?}") };
            let outgoing = Outgoing {
                body: identity.clone(),
                secrets: Vec::new(),
                public_arguments: identity,
                calls_back: true,
                cancel: CancellationToken::new(),
            };
            (prepared, outgoing)
        };
        // All three are prepared before the first is sent, as when each uploads a file in between.
        let (first, same, other) = (prepare("a").await, prepare("a").await, prepare("b").await);
        let first = first.0.send(first.1).await.unwrap();
        let same = same.0.send(same.1).await.unwrap();
        assert_eq!((same.is_repeat, same.job.id()), (true, first.job.id()));
        let refused = other.0.send(other.1).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::InvalidArgument, "{refused}");
        assert!(refused.message().contains(first.job.id()), "{refused}");
        assert_eq!(service.count("/v1/pdf/convert/from/html"), 1);
    }

    /// Six seconds is the lease: no other process checks while the process that died might still get its answer.
    async fn a_dead_process_keeps_a_job_no_longer_than_its_lease(place: &Place) {
        let service = simulator::spawn(simulator::Options::default()).await.unwrap();
        let check = "/v1/job/check";
        let never = FaultKind::StallHeaders(Duration::from_secs(120));
        service.fault(Fault { path_prefix: check.into(), times: 1, kind: never });
        let mut victim = impatient(service.url(), place);
        let submit = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 40});
        victim.request("tools/call", json!({"name": "submit_job", "arguments": submit}));
        while service.count(check) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        victim.kill();
        let began = Instant::now();
        let mut survivor = impatient(service.url(), place);
        let id = survivor.call("list_jobs", json!({}))["content"]["items"][0]["job_id"].clone();
        let wait = json!({"job_id": id, "timeout": 40, "interval": 0.5});
        survivor.request("tools/call", json!({"name": "wait_job_completion", "arguments": wait}));
        let answer = survivor.next_within(Duration::from_secs(40)).expect("the job was left alone");
        let took = began.elapsed().as_secs_f64();
        assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
        assert!((3.0..15.0).contains(&took), "seen after {took:.1} s");
        assert_eq!(service.count("/v1/pdf/convert/from/html"), 1);
    }

    async fn the_rule_in_sql_is_the_rule_of_the_states(place: &Place) {
        let ledger = place.open();
        let job = accepted(&ledger, "A").await;
        let mut file = place.beside().await;
        for from in states() {
            for to in states() {
                for is_check in [true, false] {
                    set(&mut file, &job.intent_id, &from).await;
                    let seen = Observation { is_check, ..seen(to.clone(), now()) };
                    let before = known(&ledger, "A").await;
                    let after = checked(&ledger, &before, &seen).await;
                    let expected = if from.may_become(&to) { &to } else { &from };
                    assert_eq!(after.status, *expected, "{from:?} saw {to:?}");
                    assert_same(&before.seeing(&seen), &after);
                }
                set(&mut file, &job.intent_id, &from).await;
                let (after, changed) = ledger.cancel(&job, now()).await.unwrap();
                assert_eq!(changed, !from.is_terminal());
                assert_eq!(after.status, if changed { JobStatus::Cancelled } else { from.clone() });
            }
        }
    }

    async fn answers_that_come_together_are_written_in_order(place: &Place) {
        let ledger = place.open();
        let jobs = join_all((0..50).map(|number| {
            let ledger = &ledger;
            async move { accepted(ledger, &format!("J{number}")).await }
        }))
        .await;
        let at = now();
        // Two checks of each job, a late answer that must not move it back, and a row that is gone, all at once.
        let checks = jobs.iter().flat_map(|job| {
            [JobStatus::Working, JobStatus::Success, JobStatus::Working].map(|status| (job.clone(), status))
        });
        let gone = Job { intent_id: IntentId::from_stored("local-gone"), ..jobs[0].clone() };
        let checks = checks.chain([(gone, JobStatus::Success)]);
        let outcomes = join_all(checks.map(|(job, status)| {
            let ledger = &ledger;
            async move { checked(ledger, &job, &seen(status, at)).await }
        }))
        .await;
        for (job, answers) in jobs.iter().zip(outcomes.chunks(3)) {
            let answered: Vec<_> = answers.iter().collect();
            assert!(answered.iter().all(|one| one.intent_id == job.intent_id), "each answer is about its own job");
            assert_eq!(answered.iter().map(|one| one.checks_made).collect::<Vec<_>>(), [1, 2, 3]);
            assert_eq!(answered[0].status, JobStatus::Working);
            assert_eq!((&answered[1].status, &answered[2].status), (&JobStatus::Success, &JobStatus::Success));
            let kept = ledger.get(&caller(), job.id()).await.unwrap().unwrap();
            assert_eq!((kept.status, kept.checks_made, kept.check_credits), (JobStatus::Success, 3, Some(6)));
            assert_eq!(kept.content.unwrap()["status"], "success");
        }
        let spent = ledger.spending(&caller(), 10).await.unwrap();
        let checks = spent.iter().find(|row| row.operation == "job_check").unwrap();
        assert_eq!((checks.requests, checks.credits), (151, 302), "what was paid counts, also without a row");
    }

    async fn credits_that_were_not_reported_are_not_zero(place: &Place) {
        let ledger = place.keeping(FOR_EVER);
        let job = foreign("FOREIGN");
        let silent = Observation { credits: None, credits_remaining: None, ..seen(JobStatus::Working, now()) };
        let job = checked(&ledger, &job, &silent).await;
        assert_eq!((job.checks_made, job.check_credits, job.credits_total()), (1, None, None));
        assert_eq!(job.credits_remaining, None);
        let job = checked(&ledger, &job, &seen(JobStatus::Success, now() + 1)).await;
        assert_eq!((job.check_credits, job.credits_total(), job.credits_remaining), (Some(2), Some(2), Some(977)));
        assert_eq!(ledger.newest_balance(owner().account()).await.unwrap().unwrap().0, 977);
    }

    async fn an_id_without_an_answer_leaves_no_row(place: &Place) {
        let ledger = place.open();
        let (one, met) = (foreign("MADE-UP"), foreign("MADE-UP"));
        assert_eq!(ledger.list(&caller(), None, 10, None).await.unwrap().total, 0);
        // Two processes meet it at the same moment: one row.
        let theirs = place.open();
        checked(&ledger, &one, &seen(JobStatus::Working, now())).await;
        let met = checked(&theirs, &met, &seen(JobStatus::Success, now() + 5)).await;
        assert_eq!((&met.intent_id, met.checks_made), (&one.intent_id, 2));
        assert_eq!(ledger.list(&caller(), None, 10, None).await.unwrap().total, 1);
    }

    async fn an_accepted_submit_takes_over_a_row_met_by_its_id(place: &Place) {
        let (ours, theirs) = (place.open(), place.open());
        let submit = Intent { client_request_id: Some("mine".into()), ..intent("A") };
        ours.insert_intent(&submit, None).await.unwrap();
        let met = foreign("A");
        checked(&theirs, &met, &seen(JobStatus::Working, now())).await;
        let job = ours.accepted(&submit, JobId::parse("A").unwrap(), &json!({}), Charge::new(Some(7), None), now()).await;
        assert_eq!((job.operation.as_str(), job.client_request_id.as_deref()), ("pdf_to_text", Some("mine")));
        assert_eq!(theirs.list(&caller(), None, 10, None).await.unwrap().total, 1);
        assert_eq!(known(&theirs, "A").await.submit_credits, Some(7));
    }

    async fn the_latest_job_is_the_last_submitted_whatever_the_clock(place: &Place) {
        let ledger = place.keeping(FOR_EVER);
        for (id, at) in [("A", now()), ("B", now() + 86_400_000), ("C", now())] {
            ledger.insert_intent(&Intent { at, ..intent(id) }, None).await.unwrap();
        }
        assert_eq!(ledger.latest(&caller(), None).await.unwrap().unwrap().id(), "local-C");
        let first = ledger.list(&caller(), None, 2, None).await.unwrap();
        let second = ledger.list(&caller(), None, 2, first.next_cursor.as_deref()).await.unwrap();
        let ids: Vec<&str> = first.jobs.iter().chain(&second.jobs).map(Job::id).collect();
        assert_eq!(ids, ["local-C", "local-B", "local-A"]);
        let running = Filter { status: Some("running".into()), ..Filter::default() };
        assert_eq!(ledger.search(&caller(), &running, 10, None).await.unwrap().total, 3);
    }

    async fn two_hundred_thousand_rows_are_listed_quickly(place: &Place) {
        let ledger = place.open();
        accepted(&ledger, "A").await;
        let mut file = place.beside().await;
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
             INSERT INTO jobs (intent_id, job_id, tenant, operation, arguments, request_hash, status, created_at, changed_at, seq)
             SELECT 'local-n' || i, 'N' || i, (SELECT tenant FROM jobs WHERE job_id = 'A'), 'pdf_to_text', '{}', '', 'success', 1, 1, i + 1 FROM n";
        file.execute(sql).await;
        let began = Instant::now();
        assert_eq!(ledger.list(&caller(), None, 20, None).await.unwrap().total, 200_001);
        assert_eq!(ledger.list(&caller(), Some("success"), 20, None).await.unwrap().total, 200_000);
        let took = began.elapsed();
        println!("two lists of 200 000 rows: {took:?}");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// An answer of the service or a callback, so many milliseconds after the start, and the credits that it reports.
    Seen {
        status: JobStatus,
        after: i64,
        credits: Option<i64>,
        is_check: bool,
    },
    Cancel,
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        3 => Just(JobStatus::Working),
        1 => Just(JobStatus::Success),
        1 => Just(JobStatus::Failed),
        1 => Just(JobStatus::Aborted),
        1 => Just(JobStatus::Unknown),
        1 => "[a-z]{1,9}".prop_map(JobStatus::Other),
    ];
    let credits = prop_oneof![Just(None), (-50_i64..50).prop_map(Some)];
    prop_oneof![
        8 => (status, 0_i64..100_000, credits, any::<bool>())
            .prop_map(|(status, after, credits, is_check)| Step::Seen { status, after, credits, is_check }),
        1 => Just(Step::Cancel),
        1 => Just(Step::Restart),
    ]
}

/// Runs `cases` sequences of events, each on a ledger of its own from `place`.
fn no_order_moves_an_end(cases: u32, place: impl Fn() -> Option<Place>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _runtime = runtime.enter();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&proptest::collection::vec(any_step(), 1..16), |steps| {
            if let Some(place) = place() {
                runtime.block_on(events_hold(&place, steps));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_order_of_events_moves_an_end_or_invents_credits() {
    no_order_moves_an_end(48, || Some(Place::file()));
}

#[test]
fn no_order_of_events_moves_an_end_on_postgres() {
    no_order_moves_an_end(16, || tokio::runtime::Handle::current().block_on(Place::postgres()));
}

async fn events_hold(place: &Place, steps: Vec<Step>) {
    let mut ledger = place.open();
    let mut job = accepted(&ledger, "A").await;
    let (mut status, mut checks, mut credits, mut reported) = (JobStatus::Queued, 0, None::<i64>, 21_i64);
    let (start, mut end) = (now(), None::<JobStatus>);
    for step in steps {
        match step {
            Step::Seen { status: word, after, credits: cost, is_check } => {
                let moves = status.may_become(&word);
                let seen = Observation { credits: cost, is_check, ..seen(word.clone(), start + after) };
                let expected = job.seeing(&seen);
                job = checked(&ledger, &job, &seen).await;
                assert_same(&expected, &job);
                if moves {
                    status = word;
                }
                checks += i64::from(is_check);
                if let Some(cost) = cost.filter(|_| is_check || moves) {
                    credits = Some(credits.unwrap_or(0) + cost);
                    reported += cost;
                }
            }
            Step::Cancel => {
                let changed;
                (job, changed) = ledger.cancel(&job, now()).await.unwrap();
                assert_eq!(changed, !status.is_terminal());
                if changed {
                    status = JobStatus::Cancelled;
                }
            }
            Step::Restart => {
                ledger.close().await;
                ledger = place.open();
                job = ledger.get(&caller(), "A").await.unwrap().unwrap();
            }
        }
        assert_eq!(&job.status, &status);
        assert_eq!(job.status.is_terminal(), job.completed_at.is_some());
        assert_eq!((job.checks_made, job.check_credits), (checks, credits));
        assert_eq!(job.credits_total(), Some(reported));
        match &end {
            Some(end) => assert_eq!(end, &status),
            None if matches!(status, JobStatus::Success | JobStatus::Failed | JobStatus::Aborted) => {
                end = Some(status.clone());
            }
            None => {}
        }
    }
}

/// What is said without a ledger is what the ledger would have said.
fn assert_same(one: &Job, other: &Job) {
    let plain = |job: &Job| format!("{job:?}");
    assert_eq!(plain(one), plain(other));
}

fn limit(limit: i64, price: i64) -> Option<Admission> {
    Some(Admission::of(limit, price))
}

/// A server for which checks cost nothing, on the ledger of this place.
fn impatient(base: &str, place: &Place) -> Wire {
    Wire::ready(base, &[("PDFCO_LEDGER", &place.value()), ("PDFCO_CHECK_WORTH_SECONDS", "0.05")])
}

async fn set(file: &mut Beside, intent_id: &str, status: &JobStatus) {
    let unrecognized = status.unrecognized().map_or("NULL".to_owned(), |word| format!("'{word}'"));
    let word = status.as_str();
    file.execute(format!(
        "UPDATE jobs SET status = '{word}', unrecognized_status = {unrecognized} WHERE intent_id = '{intent_id}'"
    ))
    .await;
}

// From one database to another

/// What a tenant sees of a ledger.
async fn everything(ledger: &Ledger) -> String {
    let page = ledger.list(&caller(), None, 100, None).await.unwrap();
    let spent = ledger.spending(&caller(), 100).await.unwrap();
    let tasks = ledger.tasks(&caller(), 100, None, now()).await.unwrap();
    let balance = ledger.newest_balance(owner().account()).await.unwrap();
    let used = ledger.budget_used(&owner(), now()).await.unwrap();
    let durations = ledger.duration_stats("pdf_to_text", 0).await.unwrap();
    format!("{:?} {spent:?} {tasks:?} {balance:?} {used} {durations:?}", page.jobs)
}

async fn moves(from: &Place, to: &Place) {
    let ledger = from.open();
    for number in 0..600 {
        let intent = intent(&format!("J{number}"));
        ledger.insert_intent(&intent, limit(100_000, 7)).await.unwrap();
    }
    let job = accepted(&ledger, "A").await;
    checked(&ledger, &job, &seen(JobStatus::Success, now())).await;
    ledger.promise(&Task::new(caller(), "submit_job", Duration::from_secs(DAY), now())).await.unwrap();
    let stats = pdfco::jobs::polling::duration_model::DurationStats { weight: 0.1, mean: 1.0 / 3.0, squares: 2.5 };
    ledger.learn("pdf_to_text", 0, stats).await.unwrap();
    let mut lines = Vec::new();
    let rows = ledger.export(&mut lines).await.unwrap();
    assert!(rows > 601 * 2, "{rows}");

    let copy = to.open();
    let source = |lines: &[u8]| std::io::Cursor::new(lines.to_vec());
    let cut = &lines[..lines.len() - 20];
    assert_eq!(copy.import(source(cut)).await.unwrap_err().kind(), Kind::InvalidArgument, "half a ledger");
    assert_eq!(copy.list(&caller(), None, 1, None).await.unwrap().total, 0, "all of it or nothing");
    assert_eq!(copy.import(source(b"{\"a\": 1}\n")).await.unwrap_err().kind(), Kind::InvalidArgument);
    assert_eq!(copy.import(source(&lines)).await.unwrap(), rows);
    assert!(everything(&copy).await == everything(&ledger).await, "each tenant finds its own again");
    let again = copy.import(source(&lines)).await.unwrap_err();
    assert!(again.message().contains("not empty"), "{again:?}");
    // It goes on where it was: the newest job is the next one.
    accepted(&copy, "NEXT").await;
    assert_eq!(copy.latest(&caller(), None).await.unwrap().unwrap().id(), "NEXT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledgers_move_from_file_to_file_with_all_they_hold() {
    moves(&Place::file(), &Place::file()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledgers_move_to_postgres_and_back_with_all_they_hold() {
    let (Some(one), Some(other)) = (Place::postgres().await, Place::postgres().await) else { return };
    moves(&Place::file(), &one).await;
    moves(&other, &Place::file()).await;
}

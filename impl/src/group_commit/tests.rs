//! The kernel over a work that counts.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start threads of their own")]

use super::*;

/// What no commit here ever reaches.
const NEVER: Marks = Marks::durable(Lsn(u64::MAX));

/// How many were put in, and how many of them were taken.
#[derive(Debug, Default)]
struct Puts {
    put: u64,
    taken: u64,
}

/// Counts: a commit moves the marks to what was put in. Fails or unwinds on demand.
#[derive(Debug, Default)]
struct Counter {
    taken: u64,
    fails_at: Option<u64>,
    unwinds_at: Option<u64>,
    /// How often it was told that its leader unwinds.
    unwound: u64,
}

impl Work for Counter {
    type Front = Puts;
    type Failure = &'static str;

    fn is_open(front: &Puts, goal: Marks) -> bool {
        goal.durable.get() > front.taken
    }

    fn take(&mut self, front: &mut Puts) -> bool {
        let more = front.put > front.taken;
        front.taken = front.put;
        self.taken = front.put;
        more
    }

    fn carry_out(&mut self) -> Result<Marks, &'static str> {
        assert!(self.unwinds_at.is_none_or(|at| self.taken < at), "asked to");
        if self.fails_at.is_some_and(|at| self.taken >= at) {
            return Err("asked to");
        }
        Ok(Marks { written: Lsn(self.taken), durable: Lsn(self.taken) })
    }

    fn unwinds(&mut self, failure: &&'static str) {
        assert_eq!(*failure, "abandoned");
        self.unwound += 1;
    }

    fn abandoned() -> &'static str {
        "abandoned"
    }
}

fn put(kernel: &GroupCommit<Counter>) -> Result<u64, &'static str> {
    kernel.with(|front| {
        front.put += 1;
        front.put
    })
}

fn resolve(kernel: &GroupCommit<Counter>, ticket: u64) -> Result<Driven, &'static str> {
    kernel.resolve(Marks::durable(Lsn(ticket)))
}

#[test]
fn every_ticket_of_eight_writers_resolves() {
    let kernel = GroupCommit::new(Puts::default(), Counter::default(), Marks::default());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let ticket = put(&kernel).expect("a ticket");
                    assert_eq!(resolve(&kernel, ticket), Ok(Driven::Done));
                    assert!(kernel.marks().durable.get() >= ticket);
                }
            });
        }
    });
    assert_eq!(kernel.marks().durable, Lsn(4000));
    assert_eq!(resolve(&kernel, 4001), Ok(Driven::Idle));
}

#[test]
fn a_failure_is_told_to_all_but_what_was_reached_stays_reached() {
    let counter = Counter { fails_at: Some(2), ..Counter::default() };
    let kernel = GroupCommit::new(Puts::default(), counter, Marks::default());
    let first = put(&kernel).expect("a ticket");
    assert_eq!(kernel.lead_once(), Ok(true));
    let second = put(&kernel).expect("a ticket");
    assert_eq!(resolve(&kernel, second), Err("asked to"));
    assert_eq!(resolve(&kernel, second), Err("asked to"));
    assert_eq!(put(&kernel), Err("asked to"));
    assert_eq!(kernel.make_room(|_| false), Err("asked to"));
    assert_eq!(kernel.watch(NEVER, Duration::from_secs(60)), Err("asked to"));
    assert_eq!(kernel.nap(|_, _| Nap::Roused), Err("asked to"));
    assert_eq!(resolve(&kernel, first), Ok(Driven::Done));
}

#[test]
fn a_watch_ends_with_its_time_however_often_it_is_woken() {
    let kernel = GroupCommit::new(Puts::default(), Counter::default(), Marks::default());
    let over = std::sync::atomic::AtomicBool::new(false);
    let began = std::time::Instant::now();
    let took = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Far more often than the time is long; but not for ever, or a watch without end would be no failure.
            while !over.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(10) {
                kernel.ended.notify_all();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let held = kernel.watch(NEVER, Duration::from_millis(300));
        over.store(true, Ordering::Relaxed);
        assert_eq!(held, Ok(false));
        began.elapsed()
    });
    assert!(took >= Duration::from_millis(300), "not before its time: {took:?}");
    assert!(took < Duration::from_secs(8), "each wake-up began the time anew: {took:?}");
}

#[test]
fn a_leader_that_unwinds_fails_the_kernel_and_wakes_the_rest() {
    let counter = Counter { unwinds_at: Some(1), ..Counter::default() };
    let kernel = GroupCommit::new(Puts::default(), counter, Marks::default());
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let ticket = put(&kernel)?;
                    resolve(&kernel, ticket).map(|_| ())
                })
            })
            .collect();
        let outcomes: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1, "one leader unwinds");
        assert!(outcomes.iter().flatten().all(|outcome| *outcome == Err("abandoned")));
    });
    assert_eq!(kernel.peek(|_, work| work.map(|work| work.unwound)), Some(1), "and it is told");
}

#[test]
fn a_commit_that_lands_after_a_failure_is_not_told() {
    struct Slow<'a>(&'a (dyn Fn() + Sync));
    impl Work for Slow<'_> {
        type Front = bool;
        type Failure = &'static str;
        fn is_open(front: &bool, _: Marks) -> bool {
            *front
        }
        fn take(&mut self, front: &mut bool) -> bool {
            std::mem::take(front)
        }
        fn carry_out(&mut self) -> Result<Marks, &'static str> {
            (self.0)();
            Ok(Marks { written: Lsn(1), durable: Lsn(1) })
        }
        fn abandoned() -> &'static str {
            "abandoned"
        }
    }
    let barrier = std::sync::Barrier::new(2);
    let gate = || {
        barrier.wait();
        barrier.wait();
    };
    let kernel = GroupCommit::new(true, Slow(&gate), Marks::default());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            kernel.fail("elsewhere");
            barrier.wait();
        });
        assert_eq!(kernel.resolve(Marks::durable(Lsn(1))), Err("elsewhere"));
    });
    assert_eq!(kernel.marks(), Marks::default());
}

#[test]
fn who_watches_is_told_of_a_commit_when_it_ends() {
    let kernel = GroupCommit::new(Puts::default(), Counter::default(), Marks::default());
    let (patience, began) = (Duration::from_secs(10), std::time::Instant::now());
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| kernel.watch(Marks::durable(Lsn(1)), patience));
        while kernel.state.lock().watching == 0 && began.elapsed() < patience {
            std::thread::yield_now();
        }
        put(&kernel).expect("a ticket");
        assert_eq!(kernel.lead_once(), Ok(true));
        assert_eq!(watcher.join().expect("a watcher"), Ok(true));
    });
    assert!(began.elapsed() < patience, "it waited until its time was over");
}

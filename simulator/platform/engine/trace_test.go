package engine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// traces state the rules of the platform, one a line: what happens, and every
// message, address and change of status that follows.
var traces = []struct{ rule, script, trace string }{
	// Matching.
	{"a request is answered with the plan", "plan p | d1 ask", "d1<p/1"},
	{"an inventory that does not ask gets nothing", "plan p | d1 on", ""},
	{"without a plan", "| d1 ask", "d1<none:no_plan"},
	{"a plan that is not activated is none", "draft p | d1 ask", "d1<none:no_plan"},
	{"another version than a listed source", "plan p sources=0,9 | d1 ask", "d1<none:no_plan"},
	{"one of the listed sources", "plan p sources=0,1 | d1 ask", "d1<p/1"},
	{"a delta from its source", "plan p delta | d1 ask; d2 ask A0", "d1<p/1 d2<none:no_plan"},
	{"a component is missing", "plan p of=A,C | d1 ask; d2 ask C1", "d1<none:no_plan d2<p/1"},
	{"a sub-device gets module firmware only", "plan p | d1 ask via=g1", "d1<none:no_plan"},
	{"a sub-device gets module firmware", "plan p of=A | d1 ask via=g1", "d1<p/1"},
	{"every component at its target", "plan p | d1 ask A2 B2", "d1=NoUpdateRequired d1<none:up_to_date"},
	{"at its target, then no more", "plan p; d1 ask A2 B2 | d1 ask A1", "d1=NotUpgraded d1<p/1"},
	{"one component at its target", "plan p | d1 ask A2", "d1<p/1"},
	{"the target is compared, not ordered", "plan p | d1 ask A3", "d1<p/1"},
	{"on the black list", "plan p black=d1 | d1 ask; d2 ask", "d1<none:not_listed d2<p/1"},
	{"not on the white list", "plan p white=d2 | d1 ask; d2 ask", "d1<none:not_listed d2<p/1"},
	{"black wins over white", "plan p white=d1,d2 black=d1 | d1 ask; d2 ask", "d1<none:not_listed d2<p/1"},
	{"before its start", "plan p start=1h | d1 ask; wait 1h; d1 ask", "d1<none:outside_push_period 11:03 d1<p/1 d1<p/1"},
	{"after its end", "plan p end=1h; wait 1h | d1 ask", "d1<none:ended"},
	{
		"created after its end", "draft p start=-1h end=0s",
		"(cannot create plan \"p\": end: 2026-03-02T10:03:00Z has passed)",
	},
	{"suspended", "plan p; suspend p | d1 ask; resume p; d1 ask", "d1<none:suspended p=TobeUpgraded d1<p/1"},
	{"the most telling reason", "plan p black=d1; plan q manual | d1 ask", "d1<none:awaiting_user"},

	// Pushes.
	{"at once on activation, to those online", "d1 on; d2 on; d2 off; draft p | activate p", "p=TobeUpgraded d1<p/1"},
	{"on the grid after that", "plan p; d1 on | at 10:30", "10:10 d1<p/1 10:20 d1<p/1 10:30 d1<p/1"},
	{"not to those offline", "plan p; d1 on; d1 off | at 10:30", ""},
	{"until confirmed", "plan p; d1 on; at 10:10; d1 take | at 10:30", ""},
	{"in the window", "plan p hours=11-12; d1 on | at 11:15", "11:00 d1<p/1 11:10 d1<p/1"},
	{"in a window over midnight", "plan p hours=23-1; d1 on | at 22:59; at 23:00; at 00:55; wait 30m",
		"23:00 d1<p/1 23:10 d1<p/1 23:20 d1<p/1 23:30 d1<p/1 23:40 d1<p/1 23:50 d1<p/1 00:00 d1<p/1 00:10 d1<p/1 00:20 " +
			"d1<p/1 00:30 d1<p/1 00:40 d1<p/1 00:50 d1<p/1"},
	{"in the plan's zone", "plan p hours=11-12 zone=2h; d1 on | at 10:20; at 09:05", "09:00 d1<p/1"},
	{"on the zone's own grid", "plan p zone=5h45m; d1 on | at 10:30", "10:05 d1<p/1 10:15 d1<p/1 10:25 d1<p/1"},
	{"a request outside the window", "plan p hours=11-12 | d1 ask", "d1<none:outside_push_period"},
	{"a plan on request is never pushed", "plan p onrequest; d1 on | at 10:30; d1 ask", "d1<p/1"},
	{"not while suspended", "plan p; d1 on; suspend p | at 10:15; resume p; at 10:20", "p=TobeUpgraded 10:20 d1<p/1"},
	{"a refusal holds pushes back", "plan p quiet=50m; d1 on; at 10:10; d1 no | at 10:59; at 11:00", "11:00 d1<p/1"},
	{"a refusal holds pushes back for two hours", "plan p; d1 on; at 10:10; d1 no | at 12:09; at 12:10", "12:10 d1<p/1"},
	{"a request is answered in spite of a refusal", "plan p; d1 ask; d1 no | d1 ask", "d1<p/1"},
	{
		"refused again and again", "plan p quiet=10m; d1 ask; d1 no | at 10:20; d1 no; at 10:30",
		"10:20 d1<p/1 10:30 d1<p/1",
	},

	// Manual plans.
	{"never by asking", "plan p manual; d1 on | d1 ask; at 10:20", "d1<none:awaiting_user"},
	{"the user confirms", "plan p manual; d1 on | user d1 p confirm", "d1<p/1"},
	{"the user confirms for a device that is away", "plan p manual; d1 on; d1 off | user d1 p confirm; d1 on", "d1<p/1"},
	{
		"the device still refuses", "plan p manual; d1 on; user d1 p confirm; d1 no | at 11:55; at 12:20",
		"12:10 d1<p/1 12:20 d1<p/1",
	},
	{
		"an appointment", "plan p manual; d1 on | user d1 p appoint 11:00 12:00; d1 ask; at 11:10",
		"d1<none:outside_push_period 11:00 d1<p/1 11:10 d1<p/1",
	},
	{
		"an appointment is missed", "plan p manual; d1 on; user d1 p appoint 11:00 12:00; d1 off; at 12:00 | d1 ask",
		"d1<none:awaiting_user",
	},
	{"an appointment must be an hour long", "plan p manual; d1 on | user d1 p appoint 11:00 11:59",
		"(cannot appoint plan \"p\" for device \"d1\": the window must lie ahead, at least 1h0m0s long and within the " +
			"plan's period)"},
	{"the user cancels", "plan p manual; d1 on | user d1 p cancel; d1 ask", "d1=UpgradeFailed d1<none:no_plan"},
	{
		"the user cancels what the device has", "plan p manual; d1 on; user d1 p confirm; d1 A:recv | user d1 p cancel",
		"d1<terminated d1=UpgradeFailed",
	},
	{
		"the user cannot cancel what the device has confirmed",
		"plan p manual; d1 on; user d1 p confirm; d1 take | user d1 p cancel",
		"(cannot cancel plan \"p\" for device \"d1\": it is past that, the device is Upgrading)",
	},
	{"the user tries again", "plan p manual; d1 on; user d1 p cancel | user d1 p retry", "d1=NotUpgraded d1<p/2"},
	{"the operator may not try again", "plan p manual; d1 on; user d1 p cancel | retry p d1",
		"(cannot retry devices of plan \"p\": it is manual, so the user of each device must ask)"},
	{"confirmed by itself", "d1 on; auto d1 on | plan p manual; at 10:10", "p=TobeUpgraded d1<p/1 10:10 d1<p/1"},
	{
		"confirmed by itself, in the window", "d1 on; auto d1 on; plan p manual hours=11-12 | d1 ask; at 11:00",
		"d1<none:outside_push_period 11:00 d1<p/1",
	},
	{"no longer confirmed by itself", "d1 on; auto d1 on; auto d1 off; plan p manual | d1 ask", "d1<none:awaiting_user"},
	{
		"the user of a silent plan", "plan p; d1 on | user d1 p confirm",
		"(cannot confirm plan \"p\" for device \"d1\": the plan is silent)",
	},

	// Components in order.
	{
		"a confirmation brings the first address", "plan p; d1 ask; d1 A:recv; d1 B:recv | d1 yes; d1 A:conf; d1 B:conf",
		"p=Upgrading d1<A/1:next d1=Upgrading",
	},
	{"a success brings the next", "plan p; d1 ask; d1 take | d1 A+; d1 B+", "d1<B/1:next d1=Upgraded"},
	{
		"a lost decision is proven by the report", "plan p; d1 ask; d1 A:recv; d1 B:recv | d1 A:conf; d1 B:conf",
		"p=Upgrading d1=Upgrading d1<A/1:next",
	},
	{
		"a component at its target is passed over",
		"plan p; d1 ask A2; d1 A:recv; d1 B:recv | d1 yes; d1 A:none; d1 B:conf; d1 B+",
		"p=Upgrading d1<B/1:next d1=Upgrading d1=Upgraded",
	},
	{"a component that turns out at its target", "plan p; d1 ask; d1 A:recv; d1 B:recv | d1 yes; d1 A:none; d1 B:conf",
		"p=Upgrading d1<A/1:next d1<B/1:next d1=Upgrading"},
	{
		"nothing to do after all", "plan p; d1 ask; d1 A:recv; d1 B:recv; d1 yes | d1 A:none; d1 B:none",
		"d1<B/1:next d1=NoUpdateRequired",
	},
	{"a second acceptance changes nothing", "plan p; d1 ask; d1 take | d1 yes", ""},
	{"a refusal after the acceptance neither", "plan p; d1 ask; d1 take | d1 no; d1 A+", "d1<B/1:next"},
	{
		"the target reported by version",
		"plan p; d1 ask; d1 take; d1 A:ready; d1 A:down; d1 A:got; d1 A:upg | d1 on A2; d1 B:ready; d1 B:down; d1 B:got; " +
			"d1 on B2",
		"d1<B/1:next d1=Upgraded",
	},
	{
		"not while the device says that the plan runs",
		"plan p; d1 ask; d1 take; d1 A:ready; d1 A:down; d1 A:got; d1 A:upg | d1 on A2 runs=p; d1 A:ok", "d1<B/1:next",
	},
	{
		"the report after the version",
		"plan p of=A; d1 ask; d1 A:conf; d1 A:recv; d1 A:conf; d1 A:ready; d1 A:down; d1 A:got; d1 A:upg | d1 on A2; d1 A:ok",
		"d1=Upgraded",
	},

	// Addresses again.
	{
		"asked for", "plan p; d1 ask; d1 take | d1 fetch A; d1 fetch B; d1 A:ready; d1 A:down; d1 fetch A",
		"d1<A/1:asked d1<A/1:asked",
	},
	{"asked for another plan", "plan p; d1 ask | d1 fetch A", ""},
	{"back and waiting", "plan p; d1 ask; d1 take; d1 off | d1 on runs=p", "d1<A/1:reconnect"},
	{
		"a version report after a success", "plan p; d1 ask; d1 take; d1 A+ | d1 on runs=p; wait 11s; d1 on runs=p",
		"d1<B/1:reconnect",
	},
	{
		"a version report after a failure",
		"plan p retries=1; d1 ask; d1 take; d1 A!boot_failed | d1 ask; wait 11s; d1 ask",
		"d1<none:no_plan d1<A/2:reconnect d1<p/2",
	},
	{
		"back and waiting for another attempt",
		"plan p retries=1; d1 ask; d1 take; d1 A!boot_failed; d1 off | d1 ask; d1 yes", "d1<A/2:reconnect d1<p/2",
	},
	{"back and downloading", "plan p; d1 ask; d1 take; d1 A:ready; d1 off | d1 on runs=p", ""},
	{"back without memory", "plan p; d1 ask; d1 take; d1 A:ready | d1 ask", "d1<p/1"},
	{
		"without memory, from the first number on",
		"show arrivals; plan p; d1 ask; d1 take; wait 1s; d1 ask | d1 #1 A:recv; d1 #2 B:recv; d1 yes; d1 #3 A:conf; d1 " +
			"#4 B:conf",
		"d1=NotUpgraded d1?1:stored d1?2:stored d1<A/1:next d1?3:stored d1=Upgrading d1?4:stored",
	},
	{
		"without memory, out of order",
		"show arrivals; show acks; plan p; d1 ask; d1 take; wait 1s; d1 ask | d1 #2 B:recv; d1 #1 A:recv",
		"d1?2:conflicting d1=NotUpgraded d1?1:stored",
	},

	// Automatic retries.
	{
		"a failed download",
		"plan p retries=1; d1 ask; d1 take; d1 A:ready | d1 A:dlfail:size_mismatch; d1 A:ready; d1 A:dlfail:size_mismatch",
		"d1<A/2:retry",
	},
	{"no attempt left, others wait", "plan p; d1 ask; d1 take | d1 A!boot_failed; d1 B:fail:skipped", "d1=UpgradeFailed"},
	{
		"a lasting cause is tried again, too", "plan p retries=1; d1 ask; d1 take | d1 A:fail:signature_invalid; d1 A+",
		"d1<A/2:retry d1<B/2:next",
	},
	{
		"a skipped component has its turn",
		"plan p retries=1; d1 ask; d1 take | d1 A!boot_failed; d1 B:fail:skipped; d1 A+; d1 B+",
		"d1<A/2:retry d1<B/2:retry d1=Upgraded",
	},
	{
		"every component has its own attempts",
		"plan p retries=1; d1 ask; d1 take; d1 A!boot_failed; d1 B:fail:skipped; d1 A+ | d1 B!boot_failed; d1 B+",
		"d1<B/3:retry d1=Upgraded",
	},
	{"on failure go on", "plan p on=continue; d1 ask; d1 take | d1 A!boot_failed; d1 B+", "d1<B/1:next d1=UpgradeFailed"},
	{
		"on failure go on, after the retries",
		"plan p on=continue retries=1; d1 ask; d1 take | d1 A!boot_failed; d1 A!boot_failed; d1 B+",
		"d1<A/2:retry d1<B/2:next d1=UpgradeFailed",
	},
	{
		"on failure roll back, from the first again",
		"plan p on=revert retries=1; d1 ask; d1 take; d1 A+ | d1 B!boot_failed; d1 A:fail:reverted; d1 A+; d1 B+",
		"d1<A/2:retry d1<B/2:retry d1=Upgraded",
	},
	{
		"the rollback reported first",
		"plan p on=revert retries=1; d1 ask; d1 take; d1 A+; d1 B:ready; d1 B:down | d1 A:fail:reverted; d1 " +
			"B:dlfail:write_failed",
		"d1<A/2:retry",
	},
	{
		"on failure roll back, for good", "plan p on=revert; d1 ask; d1 take; d1 A+ | d1 B!boot_failed; d1 A:fail:reverted",
		"d1=UpgradeFailed",
	},
	{
		"back while it waits for another try", "plan p retries=1; d1 ask; d1 take; d1 A!boot_failed; d1 off | d1 on runs=p",
		"d1<A/2:reconnect",
	},
	{
		"attempts go on after the end", "plan p retries=1 end=1h; d1 ask; d1 take; wait 2h | d1 A!boot_failed; d1 A+",
		"d1<A/2:retry d1<B/2:next",
	},

	// Retries by hand.
	{"by hand, online", "plan p; d1 ask; d1 take; d1 A!boot_failed; d1 B:fail:skipped | retry p; d1 yes; d1 A+; d1 B+",
		"d1=Upgrading d1<p/2 d1<A/2:retry d1<B/2:retry d1=Upgraded"},
	{
		"by hand, away", "plan p; d1 ask; d1 take; d1 A!boot_failed; d1 B:fail:skipped; d1 off | retry p d1; d1 on",
		"d1=Upgrading d1<p/2",
	},
	{
		"by hand, with fresh attempts",
		"plan p retries=1 of=A; d1 ask; d1 A:recv; d1 A:conf; d1 A!boot_failed; d1 A!boot_failed; retry p; d1 yes | d1 " +
			"A!boot_failed; d1 A!boot_failed",
		"d1<A/4:retry d1=UpgradeFailed",
	},
	{
		"by hand, a stale acceptance",
		"plan p of=A; d1 ask; d1 A:recv; d1 A:conf; d1 A:fail:boot_failed; d1 off; retry p; d1 on | d1 no; d1 ask",
		"d1<p/2",
	},
	{
		"by hand, not failed", "plan p; d1 ask; d1 take | retry p d1 d9",
		"(cannot retry device \"d1\": it has not failed\ncannot retry device \"d9\": it is not known)",
	},
	{
		"by hand, other versions",
		"plan p of=A delta; d1 ask; d1 A:recv; d1 A:conf; d1 A:fail:boot_failed; d1 on A9 | retry p d1",
		"(cannot retry device \"d1\": the plan does not fit the versions that it runs)",
	},
	{"by hand, suspended", "plan p; suspend p | retry p", "(cannot retry devices of plan \"p\": it is Suspended)"},

	// The life of a plan.
	{
		"terminated, never reached", "plan p; d1 on | terminate p; d1 ask",
		"p=ForcedTerminated d1=UpgradeFailed d1<none:ended",
	},
	{
		"terminated, sent and nothing heard", "plan p; d1 ask | terminate p",
		"p=ForcedTerminated d1<terminated d1=UpgradeFailed",
	},
	{"terminated, sent and accepted all the same", "plan p; d1 ask; terminate p | d1 take; d1 A+; d1 B+",
		"d1=NotUpgraded d1<A/1:next d1=Upgrading d1<B/1:next d1=Upgraded"},
	{
		"terminated, received",
		"plan p; d1 ask; d1 A:recv; d1 B:recv | terminate p; d1 A:fail:plan_terminated; d1 B:fail:plan_terminated",
		"p=ForcedTerminated d1<terminated d1=UpgradeFailed",
	},
	{
		"terminated, received and away", "plan p; d1 ask; d1 A:recv; d1 off | terminate p; d1 on",
		"p=ForcedTerminated d1<terminated",
	},
	{
		"terminated, confirmed", "plan p; d1 ask; d1 take | terminate p; d1 A+; d1 B+",
		"p=ForcedTerminated d1<B/1:next d1=Upgraded",
	},
	{
		"terminated, waiting for a retry by hand",
		"plan p of=A; d1 ask; d1 A:recv; d1 A:conf; d1 A:fail:boot_failed; d1 off; retry p | terminate p; d1 on",
		"p=ForcedTerminated d1=UpgradeFailed d1<terminated",
	},
	{
		"ended, never reached", "plan p end=1h; d1 on; d1 off | wait 1h; d1 ask",
		"11:03 p=Finished 11:03 d1=UpgradeFailed d1<none:ended",
	},
	{
		"ended, sent and nothing heard", "plan p end=5m; d1 ask | wait 10m",
		"10:08 p=Finished 10:08 d1<ended 10:08 d1=UpgradeFailed",
	},
	{
		"ended, received",
		"plan p end=30m; d1 ask; d1 A:recv; d1 B:recv; d1 no | wait 1h; d1 A:fail:plan_expired; d1 B:fail:plan_expired",
		"10:33 p=Finished 10:33 d1<ended d1=UpgradeFailed",
	},
	{
		"ended, confirmed", "plan p end=1h; d1 ask; d1 take | wait 1h; d1 A+; d1 B+",
		"11:03 p=Finished d1<B/1:next d1=Upgraded",
	},
	{
		"suspended, received", "plan p; d1 ask; d1 A:recv; suspend p | at 10:30; d1 ask; resume p; d1 ask",
		"d1<none:suspended p=TobeUpgraded d1<p/1",
	},
	{
		"suspended, confirmed", "plan p; d1 ask; d1 take | suspend p; d1 A+; resume p",
		"p=Suspended d1<B/1:next p=Upgrading",
	},
	{"a suspended plan ends", "plan p end=1h; suspend p | wait 1h", "11:03 p=Finished"},
	{"activated twice", "plan p | activate p", "(cannot activate plan \"p\": it is To be Upgraded)"},
	{
		"activated after its end", "draft p end=1h; wait 1h | activate p",
		"(cannot activate plan \"p\": its end 2026-03-02T11:03:00Z has passed)",
	},
	{"resumed without a pause", "plan p | resume p", "(cannot resume plan \"p\": it is To be Upgraded)"},
	{"terminated twice", "plan p; terminate p | terminate p; suspend p",
		"(cannot terminate plan \"p\": it is Forced Terminated) (cannot suspend plan \"p\": it is Forced Terminated)"},
	{
		"deleted", "draft p | delete p; activate p; draft p; activate p",
		"(cannot activate plan \"p\": plan not found) p=TobeUpgraded",
	},
	{"deleted after activation", "plan p | delete p", "(cannot delete plan \"p\": it is To be Upgraded)"},

	// One device's part ends.
	{"abandoned, never reached", "plan p; d1 on; d1 off | abandon p d1; d1 ask", "d1=UpgradeFailed d1<none:no_plan"},
	{
		"abandoned, confirmed",
		"plan p; d1 ask; d1 take | abandon p d1; d1 fetch A; d1 A:fail:plan_terminated; d1 B:fail:plan_terminated; d1 ask",
		"d1<terminated d1=UpgradeFailed d1<terminated d1<none:no_plan",
	},
	{"abandoned, away for good", "plan p; plan q target=3; d1 ask; d1 take; d1 off | abandon p d1; d1 ask runs=p; d1 ask",
		"d1=UpgradeFailed d1<terminated d1<q/1 d1<q/1"},
	{
		"abandoned, and still at work", "plan p; d1 ask; d1 take; abandon p d1 | d1 ask runs=p",
		"d1<terminated d1<none:no_plan",
	},
	{
		"abandoned, and it accepts at that moment", "plan p; d1 ask; d1 A:recv; d1 B:recv | abandon p d1; d1 yes",
		"d1<terminated d1=UpgradeFailed d1<terminated",
	},
	{
		"abandoned, and its switch had begun",
		"plan p of=A; d1 ask; d1 A:recv; d1 A:conf; d1 A:ready; d1 A:down; d1 A:got; d1 A:upg | abandon p d1; d1 A:ok",
		"d1<terminated d1=UpgradeFailed d1=Upgraded",
	},
	{
		"abandoned after the plan's end", "plan p end=1h; d1 ask; d1 take; wait 2h | abandon p d1",
		"d1<terminated d1=UpgradeFailed",
	},
	{
		"abandoned and tried again", "plan p; d1 ask; d1 take; d1 off; abandon p d1 | retry p d1; d1 on; d1 yes",
		"d1=Upgrading d1<p/2 d1<A/2:next",
	},
	{"abandoned twice", "plan p; d1 on; abandon p d1 | abandon p d1",
		"(cannot end plan \"p\" for device \"d1\": its part is over, the device is Upgrade Failed)"},
	{
		"abandoned, whoever it is",
		"plan p black=d2; draft q; d1 on; d2 on | abandon p d9; abandon p d2; abandon x d1; abandon q d1",
		"(cannot end plan \"p\" for device \"d9\": device not found in the plan) (cannot end plan \"p\" for device " +
			"\"d2\": device not found in the plan) " +
			"(cannot end plan \"x\" for device \"d1\": plan not found) (cannot end plan \"q\" for device \"d1\": it is " +
			"Inactivated)",
	},

	// Several plans.
	{"the first activated goes first", "draft q; plan p; activate q | d1 ask; at 10:10", "d1<p/1 10:10 d1<p/1"},
	{
		"the next one after it", "plan p; plan q target=3; d1 ask; d1 take | d1 A+; d1 ask runs=p; d1 B+; d1 ask",
		"d1<B/1:next d1<none:no_plan d1=Upgraded d1<q/1",
	},
	{"the next one while the first is refused", "plan p; plan q target=3; d1 ask; d1 no | at 10:10", "10:10 d1<q/1"},
	{
		"a retry waits for the other plan",
		"plan p of=A; d1 ask; d1 A:recv; d1 A:conf; d1 A:fail:boot_failed; plan q; d1 yes q | retry p d1",
		"(cannot retry device \"d1\": it is busy with plan \"q\")",
	},

	// The ledger.
	{"reports in any order", "show arrivals; plan p; d1 ask | d1 #3 A:conf; d1 #2 B:recv; d1 #1 A:recv",
		"d1?3:early d1?2:early d1?1:stored d1?2:stored d1?3:stored p=Upgrading d1=Upgrading d1<A/1:next"},
	{
		"reports twice", "show arrivals; plan p; d1 ask; d1 #1 A:recv | d1 #1 A:recv; d1 #3 A:conf; d1 #3 A:conf",
		"d1?1:duplicate d1?3:early d1?3:duplicate",
	},
	{
		"another content", "show arrivals; plan p; d1 ask; d1 #1 A:recv; d1 #3 A:conf | d1 #1 B:recv; d1 #3 B:conf",
		"d1?1:conflicting d1?3:conflicting",
	},
	{
		"too far ahead",
		"show arrivals; show acks; plan p; d1 ask | d1 #257 A:recv; d1 #256 A:recv; d1 #0 A:recv; wait 10s",
		"d1?257:dropped d1?256:early d1?0:dropped",
	},
	{"an unknown plan", "show arrivals; show acks | d1 #7 A:recv", "d1?7:unknown d1<ack:7"},
	{"a plan that is not activated", "show arrivals; draft p | d1 A:recv", "d1?1:unknown"},
	{
		"what the table forbids", "show arrivals; show acks; plan p; d1 ask | d1 A:ready; d1 X:recv; d1 A:recv; wait 5s",
		"d1?1:illegal d1?2:illegal d1?3:stored 10:03:05 d1<ack:3",
	},
	{
		"a device that has the plan after all", "show arrivals; plan p; d1 on A2 B2 | d1 A:recv; d1 A:none",
		"d1?1:stored d1=NotUpgraded d1?2:stored p=Upgrading",
	},
	{"a failure without a code", "show arrivals; plan p; d1 ask; d1 take | d1 A:fail", "d1?5:illegal"},
	{
		"acknowledged within five seconds", "show acks; plan p; d1 ask | d1 A:recv; wait 3s; d1 B:recv; wait 10s",
		"10:03:05 d1<ack:2",
	},
	{
		"acknowledged at once at an end", "show acks; plan p of=A; d1 ask; d1 A:recv; d1 A:conf | d1 A+; wait 9s",
		"d1=Upgraded d1<ack:7",
	},
	{
		"acknowledged at once on a failure",
		"show acks; plan p of=A; d1 ask; d1 A:recv; d1 A:conf | d1 A:fail:space_low; wait 9s", "d1=UpgradeFailed d1<ack:3",
	},
	{
		"acknowledged again",
		"show acks; plan p; d1 ask; d1 #1 A:recv; wait 5s; d1 #2 B:recv; wait 5s | d1 #1 A:recv; wait 5s",
		"10:03:15 d1<ack:2",
	},
	{"acknowledged before the numbers start over", "show acks; plan p; d1 ask; d1 A:recv | d1 ask", "d1<ack:1 d1<p/1"},
}

func TestTraces(t *testing.T) {
	for _, c := range traces {
		t.Run(c.rule, func(t *testing.T) {
			assert.Equal(t, c.trace, run(t, c.script), c.script)
		})
	}
}

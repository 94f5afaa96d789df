package agent_test

import "testing"

// A plan that was accepted can be ended, by the platform and by the operator,
// until its switch begins.
func TestEndOfAnAcceptedPlan(t *testing.T) {
	runTraces(t, []trace{
		{"terminated while it waits for its package", "app:1>2 motor:1>2 to accept", "ack; terminate; p2/plan",
			" | save app=upgrade_failed(plan_terminated) motor=upgrade_failed(plan_terminated) forget:app forget:motor | save p2/app=plan_received p2/motor=plan_received p2/accept p2/app=upgrade_confirmed p2/motor=upgrade_confirmed"},
		{"terminated while it downloads", "app:1>2 motor:1>2 to app=downloading", "terminate",
			"save app=download_failed(plan_terminated) motor=upgrade_failed(plan_terminated) cancel forget:app forget:motor"},
		{"terminated while it is staged", "app:1>2 to stage:app", "terminate",
			"save app=upgrade_failed(plan_terminated) cancel forget:app"},
		{"terminated while it is switched", "app:1>2 motor:1>2 to activate:app", "terminate; ok; ok; ok",
			"save motor=upgrade_failed(plan_terminated) forget:motor | save health:app | save confirm:app | save app=upgrade_succeeded inventory? forget:app"},
		{"terminated on its way back", "app:1>2 to health:app", "fail:health_check_failed; terminate; ok",
			"save revert:app |  | save app=upgrade_failed(health_check_failed) inventory? forget:app"},
		{"terminated after a failure", "app:1>2 to app=downloading", "fail:http_error; plan@2; terminate; pkg:app@2",
			"save app=download_failed(http_error) forget:app | save accept@2 | save forget:app | "},
		{"ended, and sent again by a retry", "app:1>2 to app=downloading", "terminate; plan@2; pkg:app@2",
			"save app=download_failed(plan_terminated) cancel forget:app | save accept@2 | save app=ready_to_download@2 fetch:app"},
		{"abandoned by the operator", "app:1>2 to app=downloading", "abandon:no time",
			"save app=download_failed(plan_terminated) cancel forget:app"},
		{"abandoned while it is switched", "app:1>2 to activate:app", "abandon",
			""},
		{"abandoned before an answer", "app:1>2 ask to ask-operator", "abandon; yes",
			"save app=upgrade_failed(plan_terminated) | "},
		{"a local plan whose package was lost after its download", "app:1", "install:app; ok; lose:app; cut; boot",
			"save note:l1/app=plan_received note:l1/app=upgrade_confirmed note:l1/app=ready_to_download fetch:app | save note:l1/app=downloading note:l1/app=download_succeeded stage:app | save note:l1/app=upgrade_failed(storage_unavailable) forget:app"},
		{"a local plan is not the platform's", "app:1", "install:app; l1/terminate; ok",
			"save note:l1/app=plan_received note:l1/app=upgrade_confirmed note:l1/app=ready_to_download fetch:app |  | save note:l1/app=downloading note:l1/app=download_succeeded stage:app"},
	})
}

// A plan that has switched nothing for two hours gives way to another one.
func TestPlanThatGivesWay(t *testing.T) {
	runTraces(t, []trace{
		{"soon", "app:1>2 to accept", "wait:1h; p2/plan",
			"ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | p2/refuse:busy"},
		{"without a package", "app:1>2 to accept", "wait:2h; p2/plan",
			"ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | ask:app(missing) | save app=upgrade_failed(plan_terminated) p2/app=plan_received p2/accept p2/app=upgrade_confirmed forget:app"},
		{"with bytes that trickle", "app:1>2 to app=downloading", "wait:2h; p2/plan",
			"save app=download_failed(plan_terminated) p2/app=plan_received p2/accept p2/app=upgrade_confirmed cancel forget:app"},
		{"in its switch", "app:1>2 to activate:app", "wait:2h; p2/plan",
			"p2/refuse:busy"},
		{"taken up by a clock that was ahead", "app:1>2 to app=downloading", "clock:-8760h; p2/plan; wait:2h; p2/plan",
			"p2/refuse:busy | save app=download_failed(plan_terminated) p2/app=plan_received p2/accept p2/app=upgrade_confirmed cancel forget:app"},
		{"the same over a restart", "app:1>2 to app=downloading", "clock:-8760h; crash; boot; connect; p2/plan; wait:2h; p2/plan",
			"fetch:app | inventory:running#4 | p2/refuse:busy | save app=download_failed(plan_terminated) p2/app=plan_received p2/accept p2/app=upgrade_confirmed cancel forget:app"},
		{"taken up by a clock that stood before the program was made", "app:1>2 built to app=downloading", "crash; clock:87600h; boot; connect; p2/plan",
			"fetch:app | inventory:running#4 | p2/refuse:busy"},
	})
}

// What names the plan and cannot be accepted ends the attempt, instead of being
// asked for again and again.
func TestMessagesThatCannotBeAccepted(t *testing.T) {
	runTraces(t, []trace{
		{"a package", "app:1>2 to accept", "badpkg:app",
			"save app=upgrade_failed(manifest_mismatch) forget:app"},
		{"a package of another attempt", "app:1>2 to accept", "badpkg:app@2",
			""},
		{"a package while one is downloaded", "app:1>2 to app=downloading", "badpkg:app",
			""},
		{"a package on a retry", "app:1>2 to app=downloading", "fail:http_error; plan@2; badpkg:app@2",
			"save app=download_failed(http_error) forget:app | save accept@2 | save app=ready_to_download@2 app=download_failed@2(manifest_mismatch) forget:app"},
		{"an attempt that has jumped ahead", "app:1>2 to accept", "plan@1000000; pkg:app@1000000; pkg:app",
			"refuse:invalid_plan@1000000 |  | save app=ready_to_download fetch:app"},
		{"an ack of what was never reported", "app:1>2 to accept", "ack:1000; disconnect; connect",
			" |  | inventory:running#2 accept"},
	})
}

// An answer counts for what was asked about.
func TestAnswersToOldQuestions(t *testing.T) {
	runTraces(t, []trace{
		{"an attempt that is over", "app:1>2 ask to ask-operator", "plan@2; yes:p1+1; yes:p1+2",
			"save ask-operator |  | save accept@2 app=upgrade_confirmed@2"},
		{"another plan", "app:1>2 ask to ask-operator", "yes:p2; no:p2; yes",
			" |  | save accept app=upgrade_confirmed"},
	})
}

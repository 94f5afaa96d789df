package agent_test

import "testing"

// A plan that was accepted can be ended, by the platform and by the operator,
// until its switch begins.
func TestEndOfAnAcceptedPlan(t *testing.T) { runTraces(t, "end_of_an_accepted_plan") }

// A plan that has switched nothing for two hours gives way to another one.
func TestPlanThatGivesWay(t *testing.T) { runTraces(t, "plan_that_gives_way") }

// What names the plan and cannot be accepted ends the attempt, instead of being
// asked for again and again.
func TestMessagesThatCannotBeAccepted(t *testing.T) { runTraces(t, "messages_that_cannot_be_accepted") }

// An answer counts for what was asked about.
func TestAnswersToOldQuestions(t *testing.T) { runTraces(t, "answers_to_old_questions") }

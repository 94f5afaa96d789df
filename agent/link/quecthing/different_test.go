package quecthing_test

// Why the device says something else than the SDK in a recording.
const (
	addresses = "a CRC is not needed; a size must be there, and be right; names are those of " +
		"components that the device has"
	asksLater = "the device goes on waiting for its address, and asks for it by 6 after 30 s"
	blocks    = "the device keeps a file whole: it refuses a plan that its space does not hold, and has no blocks"
	byItself  = "an upgrade that the operator ends is 6 while it is downloaded, and not said " +
		"twice; 9 is said before 11"
	capitals   = "a digest in capital letters is the same digest"
	conditions = "the device holds the plan's conditions itself, and refuses"
	control    = "a plan is confirmed by the device's conditions and operator, never by the plan or twice"
	elsewhere  = "the component has changed under the upgrade: the version report says to what, the plan has failed"
	goesOn     = "the device goes on where it was, and says nothing before there is news"
	http       = "what a server may send by HTTP is taken: HTTP/1.0, a header in small letters, an end without a length"
	kept       = "no report is lost: the platform gets all of them"
	multi      = "this SDK was built with files in several parts; the device takes none, and says " +
		"so at once, as the others do"
	nine      = "9 is said before 11"
	noPlan    = "what makes no plan gets no report"
	once      = "a failure is said once, and one address is taken at a time"
	otherPlan = "the address is not of the plan that was accepted"
	patience  = "a pause of the server that ends is borne; the file is installed, which fails here"
	secret    = "the device has kept its secret, and hears it again from a platform that expects first contact"
	slash     = "an address is heard at QoS 0, too, whatever its length"
	source    = "the plan starts from a version that does not run"
	stale     = "the device reports what becomes of its own plan, not that an older one's target runs"
	ownReport = "the device reports what it has installed itself, not what an application says"
	verified  = "8 says that the file has been verified: a wrong one is 6 without it"
)

// different has the recordings in which the device says something else than the SDK, on
// purpose: what it says there, as statuses and commands, and why. Everything else must
// be the SDK's, to the byte.
func different() map[string]struct{ says, why string } {
	return map[string]struct{ says, why string }{
		"f03_slash_qos0":          {"boot 34 44 4 6 4 5 8 12 4 5 8 12 4 5 8 12 4 5 8 12", slash},
		"o03_mcu_blocks":          {"boot 34 44 1 3", blocks},
		"o07c_multi_reboot":       {"boot 34 44 1 2 12 boot 34 44", multi},
		"o09_wrong_md5":           {"boot 34 44 1 2 4 5 6 4 5 6 4 5 6 4 5 6 4 5 6 4 5 12 4 5 6", verified},
		"o09b_upper_md5":          {"boot 34 44 1 2 4 5 8 9", capitals},
		"o11_latepause6":          {"boot 34 44 1 2 4 5 5 8 9 12", patience},
		"o11_pause12":             {"boot 34 44 1 2 4 5 5 5 8 9 12", patience},
		"o13_silent":              {"boot 34 44 1 2 4 6", once},
		"o14_delay7":              {"boot 34 44 1 2 4 5 8 9 12", patience},
		"o16_http10":              {"boot 34 44 1 2 4 5 8 9", http},
		"o17_lower":               {"boot 34 44 1 2 4 5 8 9", http},
		"o19_close":               {"boot 34 44 1 2 4 5 8 9", http},
		"o22_short":               {"boot 34 44 1 2 4 5 6", verified},
		"o26_restart_2_mcu_noset": {"boot 34 44 1 2 boot 34 44", asksLater},
		"o26_restart_2_mod":       {"boot 34 44 1 2 boot 34 44", asksLater},
		"o26_restart_4_modnew":    {"boot 34 44 1 2 4 boot 34 44 6", elsewhere},
		"o26_restart_5_mcu":       {"boot 34 44 1 2 4 5 boot 34 44 6", elsewhere},
		"o26_restart_5_modnew":    {"boot 34 44 1 2 4 5 boot 34 44 6", elsewhere},
		"o26_restart_8_mcu":       {"boot 34 44 1 2 4 5 8 boot 34 44", goesOn},
		"o26_restart_8_mcu_noset": {"boot 34 44 1 2 4 5 8 boot 34 44", goesOn},
		"o26_restart_8_mod":       {"boot 34 44 1 2 4 5 8 9 boot 34 44", goesOn},
		"o26_restart_9_mcu_noset": {"boot 34 44 1 2 4 5 8 9 boot 34 44 11", goesOn},
		"o26_restart_9_mod":       {"boot 34 44 1 2 4 5 8 9 boot 34 44", goesOn},
		"o27_wrong_version":       {"boot 34 44 1 2 4 5 8 9 boot 34 44", goesOn},
		"o28_in_each_state":       {"boot 34 44 1 2 4 5 8 9 11 4 5 8 9 11", nine},
		"o29_two_plans":           {"boot 34 44 1 1 2", otherPlan},
		"o30_handle_type":         {"boot 34 44 1 1 3 1 1 3 1 1", control},
		"o31_confirm_inside":      {"boot 34 44 1 1", control},
		"o32_bad_plans":           {"boot 34 44 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3 1 3", noPlan},
		"o33_bad_urls": {"boot 34 44 12 12 12 12 12 12 4 5 8 12 12 12 4 5 8 12 12 boot 34 44 34 44 12 4 5 6 4 5 " +
			"6 4 5 8 12 4 5 8 12 4 5 8 12 4 5 8 12 4 5 8 12 4 5 8 12 4 5 8 12", addresses},
		"o34_version_in_states": {"boot 34 44 1 3 1 3 1 2 12 1 2 12 1 2 4 6 1 2 4 6 1 2 4 5 6 1 2 4 5 6 1 2 4 5 8 9 11 1 " +
			"2 11 1 2 11 1 2 11", byItself},
		"o35b_offline_confirm": {"boot 34 44 1 34 44 12", ownReport},
		"o35c_half_dead":       {"boot 34 44 1 2 4 5 8 34 44", kept},
		"o37_stale_target":     {"boot 34 44 1 2 4 5 8 9 boot 34 44 11 1 2 boot 34 44", stale},
		"o38_low_flash":        {"boot 34 44 1 3 1 3", conditions},
		"o40_fail_counter":     {"boot 34 44 1 2 4 6 4 6 4 6 4 6 4 6 1 3 boot 34 44 4 6 4 6 4 6 4 6 4 6 4 12", source},
		"o41_blocks_norange":   {"boot 34 44 1 3", blocks},
		"o42_block_fail":       {"boot 34 44 1 3", blocks},
		"o43_double":           {"boot 34 44 1 2 4 5 8 9 11", once},
		"o44_limits":           {"boot 34 44 1 3", conditions},
		"o45_at_build":         {"boot 34 44 1 2 4 5 8 9 boot 34 44 11", goesOn},
		"o46_fota_offline":     {"boot 34 44 1 2 4 5 boot 34 44 6", elsewhere},
		"s03_login_refused_2":  {"boot 34 44 boot boot 34 44 34 44", secret},
		"s03_login_refused_3":  {"boot 34 44 boot boot 34 44 34 44", secret},
		"s03_login_refused_4":  {"boot 34 44 boot boot 34 44 34 44", secret},
		"s03_login_refused_5":  {"boot 34 44 boot boot 34 44 34 44", secret},
	}
}

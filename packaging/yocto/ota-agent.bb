# Yocto recipe of ota-agent, for a layer of yours. Beside it, in files/: the
# program for MACHINE's processor as "make cross" builds it, launch,
# ota-agent.service and agent.yaml of packaging/. It is one static program: nothing is compiled here.
SUMMARY = "Over-the-air upgrades of a device's components"
# The program contains works of third parties: scripts/notices.sh prints them with
# their licences.
LICENSE = "Apache-2.0 & BSD-3-Clause & EPL-2.0 & MIT & MPL-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"
PV = "0.1.0"

SRC_URI = "file://ota-agent file://launch file://ota-agent.service file://agent.yaml"
S = "${WORKDIR}"
UNPACKDIR ??= "${WORKDIR}"

inherit systemd
SYSTEMD_SERVICE:${PN} = "ota-agent.service"

INSANE_SKIP:${PN} += "already-stripped"
INHIBIT_PACKAGE_STRIP = "1"
RRECOMMENDS:${PN} += "ca-certificates"
CONFFILES:${PN} = "${sysconfdir}/ota-agent/agent.yaml"

do_install() {
    install -D -m 0755 ${UNPACKDIR}/ota-agent ${D}${bindir}/ota-agent
    install -D -m 0755 ${UNPACKDIR}/launch ${D}${nonarch_libdir}/ota-agent/launch
    install -D -m 0644 ${UNPACKDIR}/ota-agent.service ${D}${systemd_system_unitdir}/ota-agent.service
    install -D -m 0600 ${UNPACKDIR}/agent.yaml ${D}${sysconfdir}/ota-agent/agent.yaml
}

# /var/lib must be on a partition that both slots share and that no upgrade
# replaces: the state says what the device was doing when it restarted.

package quecthing

// ReadPacket is for tests of what a broker may send.
var ReadPacket = readPacket

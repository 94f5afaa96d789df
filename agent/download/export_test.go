package download

// ParseContentRange is for the tests of the answer's reading.
var ParseContentRange = parseContentRange

// CheckRedirect is for the tests of the redirect rules.
var CheckRedirect = checkRedirect

<?xml version="1.0" encoding="UTF-8"?>
<!-- The same translation as a stylesheet in nginx. XSLT 1.0 supports neither JSON nor time zones, so both are written out.
     No output is built in a variable: after each one, libxslt copies all output written so far. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:date="http://exslt.org/dates-and-times">
  <xsl:output method="text" encoding="UTF-8" media-type="application/json"/>
  <xsl:param name="id"/>

  <xsl:template match="/orders">
    <xsl:text>{"items":[</xsl:text>
    <xsl:for-each select="response/order">
      <xsl:if test="position() > 1">,</xsl:if>
      <xsl:text>{"id":</xsl:text>
      <xsl:value-of select="id"/>
      <xsl:apply-templates select="type | status | date | delivery"/>
      <xsl:apply-templates select="." mode="asap"/>
      <xsl:text>,"service":{</xsl:text>
      <xsl:apply-templates select="service" mode="first"><xsl:with-param name="name" select="'id'"/></xsl:apply-templates>
      <xsl:text>},"provider":{</xsl:text>
      <xsl:apply-templates select="xsp" mode="first"><xsl:with-param name="name" select="'id'"/></xsl:apply-templates>
      <xsl:text>},"customer":{"id":</xsl:text>
      <xsl:value-of select="customer"/>
      <xsl:text>}}</xsl:text>
    </xsl:for-each>
    <xsl:text>]}</xsl:text>
  </xsl:template>

  <xsl:template match="/order_info">
    <xsl:text>{"id":</xsl:text>
    <xsl:value-of select="$id"/>
    <xsl:apply-templates select="orderinfo/type | orderinfo/status | orderinfo/date | orderinfo/delivery"/>
    <xsl:apply-templates select="orderinfo" mode="asap"/>
    <xsl:text>,"service":{</xsl:text>
    <xsl:apply-templates select="orderinfo/service_id" mode="first"><xsl:with-param name="name" select="'id'"/></xsl:apply-templates>
    <xsl:apply-templates select="orderinfo/service_uid"><xsl:with-param name="name" select="'uid'"/></xsl:apply-templates>
    <xsl:apply-templates select="orderinfo/service"><xsl:with-param name="name" select="'name'"/></xsl:apply-templates>
    <xsl:apply-templates select="orderinfo/category"/>
    <xsl:text>},"provider":{</xsl:text>
    <xsl:apply-templates select="orderinfo/provider" mode="first"><xsl:with-param name="name" select="'name'"/></xsl:apply-templates>
    <xsl:text>},"network":{</xsl:text>
    <xsl:apply-templates select="orderinfo/citynet" mode="first"><xsl:with-param name="name" select="'name'"/></xsl:apply-templates>
    <xsl:text>},"customer":{"id":</xsl:text>
    <xsl:value-of select="customer/id"/>
    <xsl:for-each select="customer">
      <xsl:apply-templates select="socket"><xsl:with-param name="name" select="'accessId'"/></xsl:apply-templates>
      <xsl:apply-templates select="serial"><xsl:with-param name="name" select="'personalIdentityNumber'"/></xsl:apply-templates>
      <xsl:apply-templates select="firstname"><xsl:with-param name="name" select="'firstName'"/></xsl:apply-templates>
      <xsl:apply-templates select="surname"><xsl:with-param name="name" select="'lastName'"/></xsl:apply-templates>
      <xsl:apply-templates select="zip"><xsl:with-param name="name" select="'postalCode'"/></xsl:apply-templates>
      <xsl:apply-templates select="email | address | city | phone | premise | message"/>
    </xsl:for-each>
    <xsl:text>},"messages":[</xsl:text>
    <xsl:for-each select="logs/log">
      <xsl:if test="position() > 1">,</xsl:if>
      <xsl:text>{"at":"</xsl:text>
      <xsl:apply-templates select="date" mode="time"/>
      <xsl:text>"</xsl:text>
      <xsl:apply-templates select="type"/>
      <xsl:apply-templates select="message"><xsl:with-param name="name" select="'text'"/></xsl:apply-templates>
      <xsl:text>}</xsl:text>
    </xsl:for-each>
    <xsl:text>],"details":[</xsl:text>
    <xsl:for-each select="serviceinfo/data">
      <xsl:if test="position() > 1">,</xsl:if>
      <xsl:text>{</xsl:text>
      <xsl:apply-templates select="name" mode="first"/>
      <xsl:apply-templates select="value"/>
      <xsl:apply-templates select="monthly"><xsl:with-param name="name" select="'monthlyFee'"/></xsl:apply-templates>
      <xsl:text>}</xsl:text>
    </xsl:for-each>
    <xsl:text>]}</xsl:text>
  </xsl:template>

  <!-- A member of an object: the default mode writes a comma before it, mode "first" does not. -->
  <xsl:template match="*">
    <xsl:param name="name" select="name()"/>
    <xsl:text>,</xsl:text>
    <xsl:apply-templates select="." mode="first"><xsl:with-param name="name" select="$name"/></xsl:apply-templates>
  </xsl:template>

  <xsl:template match="*" mode="first">
    <xsl:param name="name" select="name()"/>
    <xsl:value-of select="concat('&quot;', $name, '&quot;:&quot;')"/>
    <xsl:call-template name="escaped"><xsl:with-param name="text" select="string()"/></xsl:call-template>
    <xsl:text>"</xsl:text>
  </xsl:template>

  <xsl:template match="orderinfo/date | order/date">
    <xsl:text>,"orderedAt":"</xsl:text>
    <xsl:apply-templates select="." mode="time"/>
    <xsl:text>"</xsl:text>
  </xsl:template>

  <xsl:template match="delivery">
    <xsl:text>,"requestedDeliveryAt":"</xsl:text>
    <xsl:apply-templates select="." mode="time"/>
    <xsl:text>"</xsl:text>
  </xsl:template>

  <xsl:template match="delivery[. = 'asap']"/>

  <xsl:template match="*" mode="asap">
    <xsl:value-of select="concat(',&quot;deliverAsap&quot;:', delivery = 'asap')"/>
  </xsl:template>

  <!-- RFC 3339 from "2016-03-14 09:05:00" or "2016-03-14 09:05". -->
  <xsl:template match="*" mode="time">
    <xsl:value-of select="concat(substring(., 1, 10), 'T', substring(., 12))"/>
    <xsl:if test="string-length() = 16">:00</xsl:if>
    <!-- Daylight saving time lasts from the last Sunday of March, 02:00, to the last Sunday of October, 03:00. -->
    <xsl:variable name="month" select="number(substring(., 6, 2))"/>
    <xsl:variable name="sunday" select="32 - date:day-in-week(concat(substring(., 1, 8), '31'))"/>
    <xsl:variable name="hour" select="24 * (substring(., 9, 2) - $sunday) + substring(., 12, 2)"/>
    <xsl:choose>
      <xsl:when test="($month > 3 and 10 > $month) or ($month = 3 and $hour >= 2) or ($month = 10 and 3 > $hour)">+02:00</xsl:when>
      <xsl:otherwise>+01:00</xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- Escapes the content of a JSON string. -->
  <xsl:template name="escaped">
    <xsl:param name="text"/>
    <xsl:variable name="special" select="translate($text, translate($text, '\&quot;&#9;&#10;&#13;', ''), '')"/>
    <xsl:choose>
      <xsl:when test="$special = ''"><xsl:value-of select="$text"/></xsl:when>
      <xsl:otherwise>
        <xsl:variable name="character" select="substring($special, 1, 1)"/>
        <xsl:value-of select="concat(substring-before($text, $character), '\')"/>
        <xsl:choose>
          <xsl:when test="$character = '&#9;'">t</xsl:when>
          <xsl:when test="$character = '&#10;'">n</xsl:when>
          <xsl:when test="$character = '&#13;'">r</xsl:when>
          <xsl:otherwise><xsl:value-of select="$character"/></xsl:otherwise>
        </xsl:choose>
        <xsl:call-template name="escaped">
          <xsl:with-param name="text" select="substring-after($text, $character)"/>
        </xsl:call-template>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>

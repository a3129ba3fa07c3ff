import{a as m,b as n,c as r,d as o}from"./shared-BUB6FKRA.js";function e(){return r(m,{children:[r(o,{}),r("main",{})]})}n(r(e,{}),document.getElementById("page"));
